# frozen_string_literal: true

# The handler of all who serve Ruby's own sockets, which have a read buffer of their own.
module LinesOnSockets
  private

  def handle(socket)
    while (line = socket.gets)
      socket.write(line)
    end
  end
end
