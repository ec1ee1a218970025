# frozen_string_literal: true

module Rota
  class Stream
    # @return [Addrinfo] this end of a socket
    # @raise [SystemCallError] +Errno::ENOTSOCK+
    def local_address = to_io.local_address

    # @return [Addrinfo] the other end of a socket
    # @raise [SystemCallError] +Errno::ENOTCONN+, +Errno::ENOTSOCK+
    def remote_address = to_io.remote_address

    # The same descriptor as one of Ruby's own objects. It stays the stream's, which closes it; what
    # the stream has buffered is not seen through it.
    #
    # @return [BasicSocket, IO] the same object each time
    def to_io
      @to_io ||= wrap(fileno)
    end

    # Sends at once what is written from now on, instead of collecting small segments (TCP_NODELAY).
    #
    # @return [self]
    def no_delay
      to_io.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
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
      "#<Rota::Stream #{closed? ? '(closed)' : "fd=#{fileno}"}>"
    end

    private

    def wrap(number)
      io = BasicSocket.for_fd(number)
      io = IO.for_fd(number) unless socket?(io)
      io.autoclose = false
      io
    end

    def socket?(io)
      io.getsockopt(Socket::SOL_SOCKET, Socket::SO_TYPE)
      true
    rescue Errno::ENOTSOCK
      io.autoclose = false
      false
    end
  end
end
