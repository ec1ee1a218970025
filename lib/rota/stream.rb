# frozen_string_literal: true

module Rota
  class Stream
    include Pieces

    # Of an IO that is flushed: no other task runs in here.
    #
    # @api private
    def self.__of(io)
      number = io.fileno
      buffered = +""
      buffered << io.readpartial(4096) while Rota.loop.__buffered?(io)
      for_fd(number).tap do |stream|
        io.autoclose = false
        stream.instance_exec { take_over(io, buffered) }
      end
    end

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

    # In which encoding characters are read, and perhaps converted into which; what is written is
    # converted, too. As IO's.
    #
    # @overload set_encoding(external)
    # @overload set_encoding("external:internal", **options)
    # @overload set_encoding(external, internal, **options)
    # @param external [Encoding, String, nil] of the bytes; nil: the default
    # @param internal [Encoding, String, nil] of the Strings that are read
    # @param options [Hash] as String#encode's: +invalid:+, +undef:+, +replace:+, +universal_newline:+,
    #   +crlf_newline:+ ...
    # @return [self]
    # @raise [ArgumentError] an encoding such as UTF-16 for a stream that is not in binmode
    def set_encoding(*encodings, **options)
      external, internal = asked_encodings(encodings, options)
      options = nil if options.empty? || encodings.first.is_a?(Encoding) && encodings.size == 1
      internal ? __encode(internal, external, options) : __encode(external, nil, options)
    end

    # A stream buffers nothing that is written.
    #
    # @return [self]
    # @raise [IOError] the stream is closed
    def flush
      require_open
      self
    end

    # @return [true]
    # @raise [IOError] the stream is closed
    def sync
      require_open
      true
    end

    # Accepted and ignored: a stream is always in sync.
    #
    # @raise [IOError] the stream is closed
    def sync=(_wish)
      require_open
    end

    # @return [String]
    def inspect
      "#<Rota::Stream #{closed? ? '(closed)' : "fd=#{__number}"}>"
    rescue IOError
      "#<Rota::Stream (of another loop)>"
    end

    private

    def require_open
      raise IOError, "closed stream" if closed?
    end

    def take_over(io, buffered)
      @to_io = io
      ungetbyte(buffered) unless buffered.empty?
      binmode if io.binmode?
      set_encoding(*io.external_encoding, *io.internal_encoding) if io.external_encoding
    end

    # IO itself knows best how these arguments are read.
    def asked_encodings(encodings, options)
      probe = IO.for_fd(__number, autoclose: false)
      probe.binmode if binmode?
      probe.set_encoding(*encodings, **options)
      [(probe.external_encoding unless encodings == [nil]), probe.internal_encoding]
    end

    # No blocking call of core's: at those Ruby 4.0 may let others run, who close the stream, and its number is
    # another file's then.
    def wrap(number)
      return IO.for_fd(number, autoclose: false) unless __socket?

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
