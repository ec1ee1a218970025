# frozen_string_literal: true

require "socket"

# The server that everyone writes first.
class ThreadEcho < Bench::RubyServer
  label "native threads"
  about "a thread per connection, readpartial with a buffer and write"

  def serve(service)
    server = TCPServer.new("127.0.0.1", 0)
    server.setsockopt(:TCP, :NODELAY, true)
    service.ready(server.local_address.ip_port)
    loop do
      Thread.new(server.accept) { |socket| echo(socket) }
    end
  end

  private

  def echo(socket)
    buffer = String.new(capacity: 16_384)
    loop do
      socket.write(socket.readpartial(16_384, buffer))
    end
  rescue EOFError, Errno::ECONNRESET
    socket.close
  end
end
