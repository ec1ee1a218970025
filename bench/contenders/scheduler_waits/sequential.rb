# frozen_string_literal: true

class SequentialSchedulerWaits < Bench::SequentialContender
  about "no scheduler, one thread that pushes to and pops from each queue in turn, or sleeps"

  private

  def prepare(stint)
    @queues = Array.new(stint[:pairs] * 2) { Thread::Queue.new }
  end

  def bounce(stint)
    100.times { stint[:what] == "sleep" ? sleep(0) : hop }
    stint.counts[0] += 100 * (stint[:what] == "sleep" ? 1 : @queues.size)
  end

  def hop
    @queues.each do |queue|
      queue.push(:item)
      queue.pop
    end
  end
end
