# frozen_string_literal: true

require_relative "_file"

class UringMachineSyncs < Bench::UringMachineContender
  about "a fiber per actor, UM#write with an offset and #fsync"

  private

  def start(stint, machine)
    Array.new(stint[:tasks]) { |index| machine.spin { write_and_sync(machine, stint, index) } }
  end

  def write_and_sync(machine, stint, index)
    file = SyncedFile.open(index)
    stint.counts[index] = 0
    until stint.over?
      stint.timed(index) do
        machine.write(file.fileno, SyncedFile::BYTES, SyncedFile::BYTES.bytesize, 0)
        machine.fsync(file.fileno)
      end
    end
    file.close
  end
end
