# frozen_string_literal: true

class RotaProcesses < Bench::RotaContender
  about "a task per actor, Process.spawn and Rota.loop.waitpid"
  needs Bench::Need.rota_method("Rota::Loop", "waitpid")
  on_both_engines

  private

  def start(stint)
    io = Rota.loop
    stint[:tasks].times { |index| Rota.spin { run_children(io, stint, index) } }
  end

  def run_children(io, stint, index)
    stint.counts[index] = 0
    stint.timed(index) { io.waitpid(Process.spawn("true")) } until stint.over?
  end
end
