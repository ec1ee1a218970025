# frozen_string_literal: true

# Forwards ports: what connects to one address is passed on to another, both ways, and the bytes
# never leave the kernel.
#
#   ruby -Ilib examples/port_forwarder.rb [listen=backend ...]
#                                            (default 127.0.0.1:7003=127.0.0.1:7000)
#
#   ruby -Ilib examples/port_forwarder.rb 0.0.0.0:8080=127.0.0.1:80 unix:/tmp/db.sock=db.internal:5432
#
# `tcp_proxy.rb` does the same through buffers, where a proxy that wants to see what it passes on
# would begin. Here each direction is one call: Stream#splice_to.

require "rota"

class Forwarder
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

  # The scope ends when both directions have ended. If one of them raises, the scope stops the other
  # and raises here.
  def relay(client, server)
    Rota.spin_scope do
      Rota.spin { pump(client, server) }
      Rota.spin { pump(server, client) }
    end
  end

  # When one side has said everything, the other is told so, and may still answer.
  def pump(source, target)
    source.splice_to(target)
    target.close_write
  end
end

$stdout.sync = true

Rota.run do
  routes = ARGV.empty? ? ["127.0.0.1:7003=127.0.0.1:7000"] : ARGV
  listeners = routes.map do |route|
    address, backend = route.split("=", 2)
    forwarder = Forwarder.new(backend || abort("no backend in #{route}"))
    Rota.listen(address) { |client| forwarder.serve(client) }
  end

  listeners.each { |listener| puts "listening on #{listener.address}" }
  Rota.sleep
rescue Interrupt
  listeners&.each(&:stop)
  puts "stopped"
end
