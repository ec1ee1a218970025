# frozen_string_literal: true

class ThreadProcesses < Bench::ThreadContender
  about "a thread per actor, Process.spawn and Process.wait"

  private

  def start(stint)
    Array.new(stint[:tasks]) { |index| Thread.new { run_children(stint, index) } }
  end

  def run_children(stint, index)
    stint.counts[index] = 0
    stint.timed(index) { Process.wait(Process.spawn("true")) } until stint.over?
  end
end
