# frozen_string_literal: true

require "socket"

# Connected ends, closed after the test when it has not done so.
module Sockets
  # => two ends of a UNIX stream socket
  def socket_pair = keep(UNIXSocket.pair)

  # => [client, server] over the loopback interface
  def tcp_pair
    listener = TCPServer.new("127.0.0.1", 0)
    client = TCPSocket.new("127.0.0.1", listener.addr[1])
    keep([client, listener.accept])
  ensure
    listener&.close
  end

  private

  def keep(ends)
    (@sockets ||= []).concat(ends)
    ends
  end

  def close_sockets
    @sockets&.each { |socket| socket.close unless socket.closed? }
  end
end
