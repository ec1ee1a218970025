# frozen_string_literal: true

require_relative "_file"

class UringMachineReads < Bench::UringMachineContender
  about "a fiber per actor, UM#read with a buffer and an offset"

  def run(stint)
    ReadFile.open do |file|
      @file = file
      super
    end
  end

  private

  def start(stint, machine)
    Array.new(stint[:tasks]) { |index| machine.spin { read(stint, index, machine) } }
  end

  def read(stint, index, machine)
    buffer = String.new(capacity: ReadFile::BYTES)
    stint.counts[index] = 0
    until stint.over?
      100.times { machine.read(@file.fileno, buffer, ReadFile::BYTES, 0, ReadFile.offset) }
      stint.counts[index] += 100
      machine.snooze
    end
  end
end
