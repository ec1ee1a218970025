# frozen_string_literal: true

module Rota
  class Stream
    # @return [Addrinfo] this end of a socket
    # @raise [SystemCallError] +Errno::ENOTSOCK+
    def local_address = socket("local_address").local_address

    # @return [Addrinfo] the other end of a socket
    # @raise [SystemCallError] +Errno::ENOTCONN+, +Errno::ENOTSOCK+
    def remote_address = socket("remote_address").remote_address

    # The same descriptor as one of Ruby's own objects. It stays the stream's, and is closed with it;
    # what the stream has buffered is not seen through it. A forked child can go on with it, where the
    # stream itself is closed.
    #
    # @return [BasicSocket, IO] the same object each time
    # @raise [IOError] the stream is closed
    def to_io
      number = fileno
      @to_io ||= wrap(number)
    end

    # Sends at once what is written from now on, instead of collecting small segments (TCP_NODELAY).
    #
    # @return [self]
    # @raise [SystemCallError] +Errno::ENOTSOCK+, or +Errno::EOPNOTSUPP+ for what is no TCP
    def no_delay
      socket("no_delay").setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      self
    end

    # A stream buffers nothing that is written.
    #
    # @return [self]
    def flush = self

    # @return [true]
    def sync = true

    # @return [String]
    def inspect
      "#<Rota::Stream #{closed? ? '(closed)' : "fd=#{__number}"}>"
    end

    private

    def wrap(number)
      io = IO.for_fd(number, autoclose: false)
      return io unless io.stat.socket?

      BasicSocket.for_fd(number).tap { |socket| socket.autoclose = false }
    end

    def socket(verb)
      number = __number
      io = (@to_io ||= wrap(number))
      raise Errno::ENOTSOCK, verb unless io.is_a?(BasicSocket)

      io
    end
  end
end
