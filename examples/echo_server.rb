# frozen_string_literal: true

# A TCP echo server: whatever a client sends comes back to it.
#
#   ruby -Ilib examples/echo_server.rb [host:port]      (default 127.0.0.1:7000)
#
#   nc 127.0.0.1 7000                                   then type something
#
# Every connection is a task of its own, so the code reads as if there were only one client.

require "rota"

$stdout.sync = true

Rota.run do
  listener = Rota.listen(ARGV.fetch(0, "127.0.0.1:7000")) do |stream|
    loop { stream << stream.readpartial(16_384) }
  rescue EOFError, SystemCallError
    # The client has gone, politely or not. Leaving the block closes the stream.
  end

  puts "listening on #{listener.address}"
  Rota.sleep # the root task has nothing else to do until Ctrl-C
rescue Interrupt
  listener&.stop
  puts "stopped"
end
