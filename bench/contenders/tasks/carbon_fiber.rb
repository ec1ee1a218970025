# frozen_string_literal: true

class CarbonFiberTasks < Bench::CarbonFiberContender
  about "sleep(0), Fiber.schedule, Thread::Queue to await, Timeout.timeout"

  private

  def start(stint)
    require "timeout"
    stint.counts[0] = 0
    Fiber.schedule { send(stint[:work], stint) }
  end

  def switch(stint)
    Fiber.schedule { sleep(0) until stint.over? }
    until stint.over?
      sleep(0)
      stint.counts[0] += 2
    end
  end

  def spin_end(stint)
    until stint.over?
      100.times { Fiber.schedule { nil } }
      sleep(0)
      stint.counts[0] += 100
    end
  end

  def spin_await(stint)
    until stint.over?
      queue = Thread::Queue.new
      Fiber.schedule { queue.push(nil) }
      queue.pop
      stint.counts[0] += 1
      sleep(0) if (stint.counts[0] % 100).zero?
    end
  end

  def timeout(stint)
    until stint.over?
      100.times { Timeout.timeout(10) { nil } }
      stint.counts[0] += 100
      sleep(0)
    end
  end
end
