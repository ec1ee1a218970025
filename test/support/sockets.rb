# frozen_string_literal: true

require "socket"
require "tempfile"

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

  # => a file without a name that holds the bytes, under a number that was just closed (nil: any)
  def file_with_number(number, bytes = "")
    files = keep(Array.new(8) { Tempfile.create("rota-other").tap { |file| File.unlink(file.path) } })
    taken = files.find { |file| [nil, file.fileno].include?(number) } or flunk("#{number} was not free")
    taken.syswrite(bytes)
    taken.sysseek(0)
    taken
  end

  # => two ends of a UNIX stream socket, of which the first has the number
  def socket_pair_with_number(number)
    Array.new(4) { socket_pair }.find { |first, _| first.fileno == number } or flunk("#{number} was not free")
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
