# frozen_string_literal: true

class UringMachineIdle < Bench::UringMachineServer
  about "a fiber per connection, UM#recv_each on its pool of buffers, and UM#send"

  private

  def handle(machine, fd)
    machine.recv_each(fd, 0) { |data| machine.send(fd, data, data.bytesize, UringMachine::MSG_WAITALL) }
  end
end
