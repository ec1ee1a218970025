# frozen_string_literal: true

class CarbonFiberProcesses < Bench::CarbonFiberContender
  about "a fiber per actor, Process.spawn and Process.wait"

  private

  def start(stint)
    stint[:tasks].times { |index| Fiber.schedule { run_children(stint, index) } }
  end

  def run_children(stint, index)
    stint.counts[index] = 0
    stint.timed(index) { Process.wait(Process.spawn("true")) } until stint.over?
  end
end
