# frozen_string_literal: true

# Its tasks have no mailbox; an Async::Queue each is what its documentation would use.
class AsyncMailbox < Bench::AsyncContender
  about "two tasks per pair, an Async::Queue each"

  private

  def start(stint, task)
    require "async/queue"
    stint[:pairs].times { |index| start_pair(stint, task, index) }
  end

  def start_pair(stint, task, index)
    stint.counts[index] = 0
    mine, other = Array.new(2) { Async::Queue.new }
    task.async { reply(other) }
    task.async { serve(stint, index, mine, other) }
  end

  def serve(stint, index, mine, other)
    until stint.over?
      other.enqueue(mine)
      mine.dequeue
      stint.counts[index] += 2
    end
    other.enqueue(nil)
  end

  def reply(mailbox)
    while (sender = mailbox.dequeue)
      sender.enqueue(:answer)
    end
  end
end
