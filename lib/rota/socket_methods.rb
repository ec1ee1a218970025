# frozen_string_literal: true

module Rota
  # Added to BasicSocket.
  module SocketMethods
    # Yields what comes, as it comes, until the end; of a socket for datagrams, one after the other
    # without end.
    #
    # @param maxlen [Integer] bytes at most for one call of the block; the rest of a datagram is lost
    # @yieldparam bytes [String] binary
    # @return [self]
    # @raise [SystemCallError] what ended it, +Errno::ECONNRESET+ for instance
    # @raise [IOError] the socket is closed, was closed meanwhile, or holds bytes in Ruby's own buffer
    def recv_loop(maxlen = 8192, &block)
      loop = nil # looked up once, behind the checks
      Pieces.each(maxlen, block) { (loop ||= Rota.loop).recv(self, maxlen) }
      self
    end

    # Sends at once what is written from now on, instead of collecting small segments (TCP_NODELAY).
    #
    # @return [self]
    # @raise [SystemCallError] +Errno::ENOPROTOOPT+ or +EOPNOTSUPP+ for what is no TCP
    def no_delay
      setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      self
    end

    # Lets +bind+ take an address that only connections of an earlier server still use
    # (SO_REUSEADDR).
    #
    # @return [self]
    def reuse_addr
      setsockopt(Socket::SOL_SOCKET, Socket::SO_REUSEADDR, 1)
      self
    end

    # Lets several sockets listen on one address, among which the kernel shares out the connections
    # (SO_REUSEPORT).
    #
    # @return [self]
    def reuse_port
      setsockopt(Socket::SOL_SOCKET, Socket::SO_REUSEPORT, 1)
      self
    end

    # Closing resets the connection at once: what was not yet sent is dropped, and no address stays
    # occupied for a while (SO_LINGER with zero seconds).
    #
    # @return [self]
    def dont_linger
      setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 0].pack("ii"))
      self
    end
  end
end
