# frozen_string_literal: true

# The least that an item between two fibers takes in Ruby: a push and a pop of Ruby's own queue, neither of
# which could wait, and a transfer, with no run queue and nobody to choose from.
class BareFibersHop < Bench::SequentialContender
  label "bare fibers"
  about "two fibers per pair that transfer to each other behind each push; Thread::Queue, which is never waited for"

  private

  def prepare(stint)
    @pairs = Array.new(stint[:pairs]) { make_pair }
    @rounds = (500 / @pairs.size) + 1
  end

  def make_pair
    there, back = Array.new(2) { Queue.new }
    main = Fiber.current
    other = Fiber.new do
      loop do
        back.push(there.pop)
        main.transfer
      end
    end
    [there, back, other]
  end

  def bounce(stint)
    @rounds.times do
      @pairs.each do |there, back, other|
        there.push(:item)
        other.transfer
        back.pop
      end
    end
    stint.counts[0] += @rounds * @pairs.size * 2
  end
end
