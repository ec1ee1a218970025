# frozen_string_literal: true

class UringMachineEcho < Bench::UringMachineServer
  about "accept_each, a fiber per connection, UM#recv with a buffer and #send"

  private

  def handle(machine, fd)
    buffer = String.new(capacity: 16_384)
    while (count = machine.recv(fd, buffer, 16_384, 0)).positive?
      machine.send(fd, buffer, count, UringMachine::MSG_WAITALL)
    end
  end
end
