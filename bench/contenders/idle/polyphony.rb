# frozen_string_literal: true

class PolyphonyIdle < Bench::PolyphonyServer
  about "a fiber per connection, Polyphony.backend_recv_loop and backend_send"

  private

  def handle(socket)
    Polyphony.backend_recv_loop(socket, 16_384) { |data| Polyphony.backend_send(socket, data, 0) }
  end
end
