# frozen_string_literal: true

class CarbonFiberHop < Bench::CarbonFiberContender
  about "two fibers per pair, Thread::Queue (which asks its scheduler)"

  private

  def start(stint)
    stint[:pairs].times { |index| start_pair(stint, index) }
  end

  def start_pair(stint, index)
    there, back = Array.new(2) { Thread::Queue.new }
    stint.counts[index] = 0
    Fiber.schedule { serve(stint, index, back, there) }
    Fiber.schedule { reply(there, back) }
  end

  def serve(stint, index, from, to)
    until stint.over?
      to.push(:item)
      from.pop
      stint.counts[index] += 2
    end
    to.close
  end

  def reply(from, to)
    while (item = from.pop)
      to.push(item)
    end
  end
end
