# frozen_string_literal: true

# A server of several processes that share one listening socket. A worker that dies is replaced; at
# TERM or Ctrl-C the workers take no more connections, finish those that they have, and end.
#
#   ruby -Ilib examples/prefork_server.rb [host:port] [workers]     (default 127.0.0.1:7000, one per core)
#
#   nc 127.0.0.1 7000            tells which worker serves you, and echoes what you type
#   kill -9 <its number>         and connect again
#
# The parent never touches a connection, so that it lives whatever the workers do.

require "etc"
require "rota"

# Seconds that open connections may go on after TERM, and that the parent waits for a worker.
GRACEFUL = 5
GRACE = 10

$stdout.sync = true

def echo(stream)
  stream << "worker #{Process.pid}\n"
  loop { stream << stream.readpartial(16_384) }
rescue EOFError, SystemCallError
  # The client has gone.
end

# What a worker does; it runs in a process and a Rota.run of its own.
def serve(server)
  trap(:INT, "IGNORE") # of a terminal's Ctrl-C: the parent sends TERM
  listener = Rota.listen(server) { |stream| echo(stream) }
  Rota.trap(:TERM) do
    stopping = Rota.spin { listener.stop(graceful: GRACEFUL) }
    Rota.snooze
    server.close # the last one that has it open turns clients away
    stopping.await
  end
  listener.await
end

host, _, port = ARGV.fetch(0, "127.0.0.1:7000").rpartition(":")
server = TCPServer.new(host.delete("[]"), port.to_i)

Rota.run do
  workers = Array.new(Integer(ARGV.fetch(1, Etc.nprocessors))) do
    Rota.spin(:worker) do
      Rota.watch_process(restart: :always, max_restarts: 100, within: 60, grace: GRACE) { serve(server) }
    end
  end
  puts "listening on #{host}:#{server.local_address.ip_port}"
  Rota.sleep # until a signal, or until a worker has died too often
rescue SignalException # Interrupt is one, too
  server.close
  workers.each(&:terminate).each(&:await)
  puts "stopped"
end
