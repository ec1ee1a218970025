# frozen_string_literal: true

# A task per connection on Ruby's own sockets, on Rota's scheduler.
class RotaSchedulerTCP < Bench::RubyServer
  label "rota"
  about "a task per connection, TCPServer, IO#readpartial with a buffer and IO#write"
  needs Bench::Need.rota

  def serve(service)
    require "rota"
    server = TCPServer.new("127.0.0.1", 0)
    Rota.run do
      io = Rota.loop
      service.stats { io.stats }
      service.ready(server.addr[1])
      loop { accept(server) }
    ensure
      service.finish # while the loop can still be asked
    end
  end

  def accept(server)
    socket = server.accept
    socket.sync = true
    socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    Rota.spin { echo(socket) }
  end

  private

  def echo(socket)
    buffer = String.new(capacity: 16_384)
    loop { socket.write(socket.readpartial(16_384, buffer)) }
  rescue EOFError, Errno::ECONNRESET
    socket.close
  end
end
