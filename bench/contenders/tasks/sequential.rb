# frozen_string_literal: true

# What the language itself takes: nothing can be cheaper with its fibers, its blocks and its objects.
class SequentialTasks < Bench::SequentialContender
  about "bare fibers: transfer; Fiber.new and resume to the end; a block called, with a clock reading for a deadline"

  private

  def bounce(stint)
    send(stint[:work])
    stint.counts[0] += 100
  end

  def switch
    main = Fiber.current
    @other ||= Fiber.new { loop { main.transfer } }
    50.times { @other.transfer }
  end

  def spin_end
    100.times { Fiber.new { nil }.resume }
  end

  alias spin_await spin_end

  def timeout
    100.times { within(10) { nil } }
  end

  def within(seconds)
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    yield deadline
  end
end
