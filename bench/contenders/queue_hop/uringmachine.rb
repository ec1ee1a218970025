# frozen_string_literal: true

class UringMachineHop < Bench::UringMachineContender
  about "two fibers per pair, UM::Queue"

  private

  def start(stint, machine)
    Array.new(stint[:pairs]) { |index| start_pair(stint, index, machine) }
  end

  def start_pair(stint, index, machine)
    there, back = Array.new(2) { UringMachine::Queue.new }
    stint.counts[index] = 0
    [machine.spin { serve(stint, index, machine, back, there) }, machine.spin { reply(machine, there, back) }]
  end

  def serve(stint, index, machine, from, to)
    until stint.over?
      machine.push(to, :item)
      machine.shift(from)
      stint.counts[index] += 2
    end
    machine.push(to, nil)
  end

  def reply(machine, from, to)
    while (item = machine.shift(from))
      machine.push(to, item)
    end
  end
end
