# frozen_string_literal: true

class SequentialProcesses < Bench::SequentialContender
  about "one thread, Process.spawn and Process.wait"

  private

  def bounce(stint)
    stint.timed(0) { Process.wait(Process.spawn("true")) }
  end
end
