# frozen_string_literal: true

require_relative "_piece"

# The handler of all who serve Ruby's own sockets.
module StreamingOnSockets
  private

  def handle(socket)
    socket.readpartial(16)
    loop { socket.write(Piece::BYTES) }
  end
end
