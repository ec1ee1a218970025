# frozen_string_literal: true

module Rota
  # Added to OpenSSL::SSL::SSLSocket, where OpenSSL was loaded before Rota, or by
  # <tt>require "rota/openssl"</tt>. They read through TLS, not the descriptor; only the current task
  # waits.
  module SSLMethods
    # Yields what comes, as it comes, until the end.
    #
    # @param maxlen [Integer] bytes at most for one call of the block
    # @yieldparam bytes [String] binary
    # @return [self]
    # @raise [SystemCallError, OpenSSL::SSL::SSLError] what ended it
    def read_loop(maxlen = 8192, &block)
      Pieces.each(maxlen, block) { SSLMethods.next_bytes(self, maxlen) }
      self
    end

    alias recv_loop read_loop

    # Sends what is at hand. When it is cut short the rest goes in front of what is written next; when the
    # connection fails it is lost with it.
    #
    # @param source [IO, Rota::Stream]
    # @param maxlen [Integer] bytes
    # @return [Integer] bytes sent; 0 at the end of the source
    def splice_from(source, maxlen)
      write(source.readpartial(maxlen))
    rescue EOFError
      0
    end

    # Copies to another io until the end. What came and did not arrive is there to be read.
    #
    # @param target [IO, Rota::Stream, Integer]
    # @return [Integer] bytes copied
    # @raise as +read_loop+
    def copy_to(target)
      copied = 0
      read_loop { |bytes| IOMethods.write_or_put_back(self, target, bytes) { |count| copied += count } }
      copied
    rescue ::Exception => e
      IOMethods.tell_written(e, copied) if copied.positive?
      raise
    end

    # The socket's, below TLS.
    #
    # @!method no_delay
    # @!method reuse_addr
    # @!method reuse_port
    # @!method dont_linger
    # @return [self]
    %i[no_delay reuse_addr reuse_port dont_linger].each do |name|
      define_method(name) do
        to_io.public_send(name)
        self
      end
    end

    # @api private
    def self.next_bytes(socket, maxlen)
      waiting(socket) { socket.read_nonblock(maxlen, exception: false) }
    end

    # Tries until the block neither wants to read nor to write: the descriptor is what is waited for.
    #
    # @api private
    def self.waiting(socket)
      loop do
        case result = yield
        when :wait_readable then Rota.loop.poll(socket.to_io, IO::READABLE)
        when :wait_writable then Rota.loop.poll(socket.to_io, IO::WRITABLE)
        else return result
        end
      end
    end
  end

  # Added to OpenSSL::SSL::SSLServer.
  module SSLServerMethods
    # Accepts connections for ever. Handshakes are made by tasks beside it, so that a slow client holds
    # up nobody; a client whose handshake fails, or takes too long, is closed, and not heard of. It ends
    # by +break+, by an exception, or with the server.
    #
    # @param handshake_timeout [Numeric, nil] seconds; nil: no limit
    # @yieldparam connection [OpenSSL::SSL::SSLSocket] after its handshake; it belongs to the block
    # @raise as {ServerMethods#accept_loop}
    def accept_loop(handshake_timeout: 30)
      raise LocalJumpError, "no block given (yield)" unless block_given?

      Numbers.require_positive("handshake_timeout:", handshake_timeout) if handshake_timeout
      ready = Queue.new
      accepting = SSLServerMethods.accept_into(ready, self, handshake_timeout)
      yield ready.pop while true # rubocop:disable Style/InfiniteLoop -- Kernel#loop swallows StopIteration
    ensure
      Rota.shield { accepting.terminate.await } if accepting
      ready&.shift_each(&:close)
    end

    # A handshake's task that never begins closes nothing.
    #
    # @api private
    def self.accept_into(ready, server, timeout)
      context = server.instance_variable_get(:@ctx) # it has no reader
      silent = {}.compare_by_identity # connections whose handshakes have not begun
      Rota.spin(:accept) do
        server.to_io.accept_loop do |socket|
          connection = OpenSSL::SSL::SSLSocket.new(socket, context)
          connection.sync_close = true
          next ready << connection unless server.start_immediately

          silent[connection] = true
          Rota.spin(:handshake) do
            silent.delete(connection)
            shake_hands(ready, connection, timeout)
          end
        end
      ensure
        silent.each_key { |connection| connection.to_io.close }
      end
    end

    # @api private
    def self.shake_hands(ready, connection, timeout)
      timeout ? Rota.cancel_after(timeout) { handshake(connection) } : handshake(connection)
      ready << connection
      connection = nil
    rescue OpenSSL::SSL::SSLError, SystemCallError, IOError, TimeoutError
      nil
    ensure
      connection&.to_io&.close
    end

    # @api private
    def self.handshake(connection)
      SSLMethods.waiting(connection) { connection.accept_nonblock(exception: false) }
    end
  end

  Added.add(SSLMethods, OpenSSL::SSL::SSLSocket)
  Added.add(Pieces, OpenSSL::SSL::SSLSocket)
  Added.add(SSLServerMethods, OpenSSL::SSL::SSLServer)
end
