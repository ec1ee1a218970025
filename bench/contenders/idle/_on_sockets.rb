# frozen_string_literal: true

# The handler of all who serve Ruby's own sockets: no buffer of the caller's, which would be held while
# nobody sends.
module IdleOnSockets
  private

  def handle(socket)
    while (message = socket.readpartial(16_384))
      socket.write(message)
    end
  end
end
