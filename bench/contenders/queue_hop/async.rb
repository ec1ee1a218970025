# frozen_string_literal: true

# Its own queue, on its scheduler.
class AsyncHop < Bench::RubyContender
  label "async"
  about "two tasks per pair, Async::Queue"
  needs Bench::Need.gem("async")

  def run(stint)
    require "async"
    require "async/queue"
    Async do |task|
      stint[:pairs].times { |index| start_pair(task, stint, index) }
      stint.watch { |seconds| sleep(seconds) }
    end
  end

  private

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
