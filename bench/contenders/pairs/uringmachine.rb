# frozen_string_literal: true

require_relative "_ends"

class UringMachinePairs < Bench::UringMachineContender
  about "two fibers per pair, UM#read with a buffer and #write, on descriptor numbers"

  private

  def start(stint, machine)
    Array.new(stint[:pairs]) do |index|
      near, far = Ends.open_numbers(stint[:transport])
      stint.counts[index] = 0
      [machine.spin { serve(stint, index, machine, *near) }, machine.spin { reply(stint, machine, *far) }]
    end
  end

  def serve(stint, index, machine, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      machine.write(writer, message)
      machine.read(reader, buffer, stint[:bytes], 0)
      stint.counts[index] += 2
    end
    machine.close(writer)
  end

  def reply(stint, machine, reader, writer)
    buffer = String.new(capacity: stint[:bytes])
    machine.write(writer, buffer) while machine.read(reader, buffer, stint[:bytes], 0).positive?
  end
end
