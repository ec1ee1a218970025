# frozen_string_literal: true

class AsyncHop < Bench::AsyncContender
  about "two tasks per pair, Async::Queue"

  private

  def start(stint, task)
    require "async/queue"
    stint[:pairs].times { |index| start_pair(task, stint, index) }
  end

  def start_pair(task, stint, index)
    there, back = Array.new(2) { Async::Queue.new }
    stint.counts[index] = 0
    task.async { serve(stint, index, back, there) }
    task.async { reply(there, back) }
  end

  def serve(stint, index, from, to)
    until stint.over?
      to.enqueue(:item)
      from.dequeue
      stint.counts[index] += 2
    end
    to.enqueue(nil)
  end

  def reply(from, to)
    while (item = from.dequeue)
      to.enqueue(item)
    end
  end
end
