# frozen_string_literal: true

# Its backend's own methods, which read into the caller's buffer.
class PolyphonyEcho < Bench::PolyphonyServer
  about "a fiber per connection, Polyphony.backend_recv with a buffer and backend_send"

  private

  def handle(socket)
    buffer = String.new(capacity: 16_384)
    Polyphony.backend_send(socket, buffer, 0) while Polyphony.backend_recv(socket, buffer, 16_384, 0)
  end
end
