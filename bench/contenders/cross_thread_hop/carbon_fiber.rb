# frozen_string_literal: true

class CarbonFiberThreadHop < Bench::CarbonFiberContender
  about "a scheduler per thread, fibers on both, Thread::Queue (which asks the scheduler)"

  private

  def start(stint)
    pairs = Array.new(stint[:pairs]) { Array.new(2) { Thread::Queue.new } }
    @thread = Thread.new { scheduled { pairs.each { |there, back| Fiber.schedule { reply(there, back) } } } }
    pairs.each_with_index { |(there, back), index| Fiber.schedule { serve(stint, index, back, there) } }
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
