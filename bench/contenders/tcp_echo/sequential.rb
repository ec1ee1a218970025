# frozen_string_literal: true

require "socket"

# One thread that asks IO.select which connections have something to read.
class SelectEcho < Bench::RubyServer
  label "sequential Ruby"
  about "one thread, IO.select, read_nonblock with a buffer and write"

  def serve(service)
    server = TCPServer.new("127.0.0.1", 0)
    server.setsockopt(:TCP, :NODELAY, true)
    @sources = [server]
    @buffer = String.new(capacity: 16_384)
    service.ready(server.local_address.ip_port)
    loop do
      IO.select(@sources).first.each { |source| source == server ? accept(server) : echo(source) }
    end
  end

  private

  def accept(server)
    @sources << server.accept
  end

  def echo(socket)
    socket.write(socket.read_nonblock(16_384, @buffer))
  rescue EOFError, Errno::ECONNRESET
    @sources.delete(socket)
    socket.close
  end
end
