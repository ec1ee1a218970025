# frozen_string_literal: true

require_relative "_files"

class UringMachineCopy < Bench::UringMachineContender
  include CopiedFiles

  PIECE = 256 * 1024

  about "a fiber, UM#read and #write of 256 KiB into one buffer"

  private

  def start(stint, machine)
    @machine = machine
    @buffer = String.new(capacity: PIECE)
    [machine.spin { keep_copying(stint) { machine.snooze } }]
  end

  def copy
    while (count = @machine.read(@source.fileno, @buffer, PIECE)).positive?
      @machine.write(@target.fileno, @buffer, count)
    end
  end
end
