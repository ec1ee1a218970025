# frozen_string_literal: true

class UringMachineSleepers < Bench::UringMachineContender
  about "a fiber each, UM#sleep"

  private

  def start(stint, machine)
    stint.counts[0] = 0
    Array.new(stint[:tasks]) { machine.spin { doze(stint, machine) } }
  end

  def doze(stint, machine)
    until stint.over?
      machine.sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
