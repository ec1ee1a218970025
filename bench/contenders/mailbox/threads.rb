# frozen_string_literal: true

class ThreadMailbox < Bench::ThreadContender
  about "two threads per pair, a Thread::Queue each"

  private

  def start(stint)
    Array.new(stint[:pairs]) { |index| start_pair(stint, index) }
  end

  def start_pair(stint, index)
    stint.counts[index] = 0
    mine, other = Array.new(2) { Queue.new }
    [Thread.new { reply(other) }, Thread.new { serve(stint, index, mine, other) }]
  end

  def serve(stint, index, mine, other)
    until stint.over?
      other.push(mine)
      mine.pop
      stint.counts[index] += 2
    end
    other.push(nil)
  end

  def reply(mailbox)
    while (sender = mailbox.pop)
      sender.push(:answer)
    end
  end
end
