# frozen_string_literal: true

class PolyphonyProcesses < Bench::PolyphonyContender
  about "a fiber per actor, Process.spawn and Polyphony.backend_waitpid"

  private

  def start(stint)
    stint[:tasks].times { |index| spin { run_children(stint, index) } }
  end

  def run_children(stint, index)
    stint.counts[index] = 0
    stint.timed(index) { Polyphony.backend_waitpid(Process.spawn("true")) } until stint.over?
  end
end
