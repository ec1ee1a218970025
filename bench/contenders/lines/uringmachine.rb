# frozen_string_literal: true

class UringMachineLines < Bench::UringMachineServer
  about "a fiber per connection, UM::IO#read_line and UM#write"

  private

  def handle(machine, fd)
    io = machine.io(fd, :socket)
    while (line = io.read_line(0))
      machine.write(fd, "#{line}\n")
    end
  end
end
