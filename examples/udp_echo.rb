# frozen_string_literal: true

# A UDP echo server: every datagram goes back to where it came from.
#
#   ruby -Ilib examples/udp_echo.rb [host:port]         (default 127.0.0.1:7007)
#
#   nc -u 127.0.0.1 7007                                then type something
#
# A datagram that is longer than the buffer is answered with what is left of it, and counted.

require "rota"

LONGEST = 1472 # what fits an Ethernet frame without being cut in pieces

$stdout.sync = true

Rota.run do
  host, _, port = ARGV.fetch(0, "127.0.0.1:7007").rpartition(":")
  socket = UDPSocket.new(host.include?(":") ? :INET6 : :INET)
  socket.bind(host.delete("[]"), port)
  cut = 0

  puts "listening on #{socket.local_address.inspect_sockaddr}"
  loop do
    bytes, sender, flags = Rota.loop.recvmsg(socket, LONGEST)
    cut += 1 if flags.anybits?(Socket::MSG_TRUNC)
    Rota.loop.sendmsg(socket, bytes, 0, sender)
  rescue Errno::ECONNREFUSED
    # An earlier answer found nobody any more.
  end
rescue Interrupt
  puts "#{cut} datagrams were too long", "stopped"
end
