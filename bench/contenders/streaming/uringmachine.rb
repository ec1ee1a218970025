# frozen_string_literal: true

require_relative "_piece"

class UringMachineStreaming < Bench::UringMachineServer
  about "a fiber per connection, UM#send"

  private

  def handle(machine, fd)
    machine.recv(fd, +"", 16, 0)
    loop { machine.send(fd, Piece::BYTES, Piece::BYTES.bytesize, UringMachine::MSG_WAITALL) }
  end
end
