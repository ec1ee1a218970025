# frozen_string_literal: true

class AsyncThreadHop < Bench::AsyncContender
  about "a reactor per thread, tasks on both, Thread::Queue (which asks the scheduler)"
  on_both_selectors

  private

  def start(stint, task)
    pairs = Array.new(stint[:pairs]) { Array.new(2) { Thread::Queue.new } }
    @thread = Thread.new { Async { |other| pairs.each { |there, back| other.async { reply(there, back) } } } }
    pairs.each_with_index { |(there, back), index| task.async { serve(stint, index, back, there) } }
  end

  def serve(stint, index, from, to)
    stint.counts[index] = 0
    until stint.over?
      stint.timed(index, 2) do
        to.push(:item)
        from.pop
      end
    end
    to.close
  end

  def reply(from, to)
    while (item = from.pop)
      to.push(item)
    end
  end
end
