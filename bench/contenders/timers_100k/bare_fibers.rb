# frozen_string_literal: true

# The floor of the language: nothing sleeps, each fiber is entered by the one before it, in random
# order. Nobody can wake a fiber that was out of the caches for less.
class BareFibers < Bench::SequentialContender
  label "bare fibers"
  about "no timers and no runtime: Fiber#transfer from each to the next, in random order"

  private

  def prepare(stint)
    fibers = Array.new(stint[:tasks]) { |index| Fiber.new { pass_on(index) } }
    order = (0...fibers.size).to_a.shuffle
    @after = []
    order.zip(order.rotate) { |index, after| @after[index] = fibers[after] }
    @main = Fiber.current
    @entry = fibers[order.first]
    hop(fibers.size)
  end

  def bounce(stint)
    hop(100)
    stint.counts[0] += 100
  end

  def hop(times)
    @left = times
    @entry.transfer
  end

  def pass_on(index)
    loop do
      @left -= 1
      @entry = @after[index]
      @left.positive? ? @entry.transfer : @main.transfer
    end
  end
end
