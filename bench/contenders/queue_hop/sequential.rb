# frozen_string_literal: true

class SequentialHop < Bench::SequentialContender
  about "one thread that pushes to and pops from each queue in turn, Thread::Queue"

  private

  def prepare(stint)
    @queues = Array.new(stint[:pairs] * 2) { Queue.new }
    @rounds = (1000 / @queues.size) + 1
  end

  def bounce(stint)
    @rounds.times do
      @queues.each do |queue|
        queue.push(:item)
        queue.pop
      end
    end
    stint.counts[0] += @rounds * @queues.size
  end
end
