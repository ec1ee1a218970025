# frozen_string_literal: true

# A task per connection on Ruby's own sockets, on async's scheduler.
class AsyncURingSchedulerTCP < Bench::RubyServer
  label "async, io_uring"
  about "a task per connection, io-event's io_uring selector, IO#readpartial with a buffer and IO#write"
  needs Bench::Need.gem("async")

  def serve(service)
    ENV["IO_EVENT_SELECTOR"] = "URing"
    require "async"
    # async asks every IO for it, and Ruby has it since 3.2
    IO.define_method(:timeout) { nil } unless IO.method_defined?(:timeout)
    require "socket"
    server = TCPServer.new("127.0.0.1", 0)
    Async do
      service.ready(server.addr[1])
      loop { accept(server) }
    end
  end

  def accept(server)
    socket = server.accept
    socket.sync = true
    socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    Async { echo(socket) }
  end

  private

  def echo(socket)
    buffer = String.new(capacity: 16_384)
    loop { socket.write(socket.readpartial(16_384, buffer)) }
  rescue EOFError, Errno::ECONNRESET
    socket.close
  end
end
