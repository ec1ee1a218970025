# frozen_string_literal: true

class CarbonFiberMutex < Bench::CarbonFiberContender
  about "a fiber per actor, Thread::Mutex (which asks its scheduler), sleep(0) inside"

  private

  def start(stint)
    mutex = Mutex.new
    stint[:actors].times { |index| Fiber.schedule { contend(stint, index, mutex) } }
  end

  def contend(stint, index, mutex)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { sleep(0) }
      stint.counts[index] += 1
    end
  end
end
