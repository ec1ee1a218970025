# frozen_string_literal: true

# The handler of all who serve Ruby's own sockets.
module EchoOnSockets
  private

  def handle(socket)
    buffer = String.new(capacity: 16_384)
    loop { socket.write(socket.readpartial(16_384, buffer)) }
  end
end
