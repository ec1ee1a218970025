# frozen_string_literal: true

# No concurrency at all: each item is pushed and popped at once by the only thread. It is the floor of
# what the methods of Ruby's queue cost.
class SequentialHop < Bench::RubyContender
  label "sequential Ruby"
  about "one thread that pushes to and pops from each queue in turn, Thread::Queue"

  def run(stint)
    @queues = Array.new(stint[:pairs] * 2) { Queue.new }
    stint.counts[0] = 0
    rounds = (1000 / @queues.size) + 1
    bounce(rounds, stint) while stint.goes_on?
  end

  private

  def bounce(rounds, stint)
    rounds.times do
      @queues.each do |queue|
        queue.push(:item)
        queue.pop
      end
    end
    stint.counts[0] += rounds * @queues.size
  end
end
