# frozen_string_literal: true

class UringMachineThreadHop < Bench::UringMachineContender
  about "a machine per thread, fibers on both, UM::Queue"

  private

  def start(stint, machine)
    pairs = Array.new(stint[:pairs]) { Array.new(2) { UringMachine::Queue.new } }
    @thread = Thread.new { serve_replies(pairs) }
    pairs.each_with_index.map do |(there, back), index|
      machine.spin { serve(stint, index, machine, back, there) }
    end
  end

  def serve_replies(pairs)
    machine = UringMachine.new(size: ENTRIES, sidecar: false)
    fibers = pairs.map { |there, back| machine.spin { reply(machine, there, back) } }
    machine.join(*fibers)
  end

  def serve(stint, index, machine, from, to)
    stint.counts[index] = 0
    until stint.over?
      stint.timed(index, 2) do
        machine.push(to, :item)
        machine.shift(from)
      end
    end
    machine.push(to, nil)
  end

  def reply(machine, from, to)
    while (item = machine.shift(from))
      machine.push(to, item)
    end
  end
end
