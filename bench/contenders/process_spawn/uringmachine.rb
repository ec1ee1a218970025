# frozen_string_literal: true

class UringMachineProcesses < Bench::UringMachineContender
  about "a fiber per actor, Process.spawn and UM#waitid_status"

  private

  def start(stint, machine)
    Array.new(stint[:tasks]) { |index| machine.spin { run_children(machine, stint, index) } }
  end

  def run_children(machine, stint, index)
    stint.counts[index] = 0
    until stint.over?
      stint.timed(index) do
        machine.waitid_status(UringMachine::P_PID, Process.spawn("true"), UringMachine::WEXITED)
      end
    end
  end
end
