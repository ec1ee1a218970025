# frozen_string_literal: true

# A TCP proxy: what connects to the first address is passed on to the second, both ways.
#
#   ruby -Ilib examples/tcp_proxy.rb [listen host:port] [backend host:port]
#                                                       (default 127.0.0.1:7002 127.0.0.1:7000)
#
#   ruby -Ilib examples/echo_server.rb &                start something to talk to
#   nc 127.0.0.1 7002                                   and reach it through the proxy
#
# Each direction is a task. When one side has said everything it closes only its half; the other
# half stays open until its own end. A failure in either direction ends this connection, no other.

require "rota"

class Proxy
  CHUNK = 65_536
  CONNECT_TIMEOUT = 5

  def initialize(backend)
    @backend = backend
  end

  def serve(client)
    server = Rota.connect(@backend, timeout: CONNECT_TIMEOUT)
    relay(client, server)
  rescue SystemCallError, IOError, Rota::TimeoutError => e
    warn "#{@backend}: #{e.message}"
  ensure
    server&.close
  end

  private

  # The scope ends when both directions have ended. If one of them raises, the scope stops the
  # other and raises here.
  def relay(client, server)
    Rota.spin_scope do
      Rota.spin { pump(client, server) }
      Rota.spin { pump(server, client) }
    end
  end

  def pump(source, target)
    loop { target << source.readpartial(CHUNK) }
  rescue EOFError
    target.close_write
  end
end

$stdout.sync = true

Rota.run do
  proxy = Proxy.new(ARGV.fetch(1, "127.0.0.1:7000"))
  listener = Rota.listen(ARGV.fetch(0, "127.0.0.1:7002")) { |client| proxy.serve(client) }

  puts "listening on #{listener.address}"
  Rota.sleep
rescue Interrupt
  listener&.stop
  puts "stopped"
end
