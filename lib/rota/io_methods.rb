# frozen_string_literal: true

module Rota
  # Added to IO. They go through the verbs of {Loop} on the IO's descriptor: only the current task
  # waits, inside {Rota.run} or on the main thread.
  module IOMethods
    # Yields what comes, as it comes, until the end: first what Ruby's own buffer holds.
    #
    # @param maxlen [Integer] bytes at most for one call of the block
    # @yieldparam bytes [String] binary
    # @return [self]
    # @raise [SystemCallError] what ended it, +Errno::ECONNRESET+ for instance
    # @raise [IOError] the IO is closed, or was closed meanwhile
    def read_loop(maxlen = 8192)
      raise LocalJumpError, "no block given (yield)" unless block_given?
      raise ArgumentError, "maxlen must be positive" unless maxlen.positive?

      while (bytes = IOMethods.next_bytes(self, maxlen))
        yield bytes
      end
      self
    end

    # Gives what comes to a method of an object, as it comes, until the end. A block is handed on to
    # each call: <tt>socket.feed_loop(unpacker, :feed_each) { |object| … }</tt>.
    #
    # @param receiver [Object]
    # @param method [Symbol]
    # @return [self]
    # @raise as +read_loop+
    def feed_loop(receiver, method = :call, &block)
      read_loop { |bytes| receiver.public_send(method, bytes, &block) }
    end

    # Hands the descriptor over to a stream, with what Ruby's own buffer holds and in the IO's encodings.
    # The IO is the stream's +to_io+ from then on, and is closed with it.
    #
    # Not for <tt>IO.popen(command, "r+")</tt>, which has two descriptors.
    #
    # @return [Rota::Stream] the same one each time, while it is open
    # @raise [IOError] the IO is closed, or holds characters that were converted and not read
    def stream
      known = @__rota_stream
      return known if known && !known.closed?

      @__rota_stream = Stream.__of(self)
    end

    # Moves what is at hand from another io to this one, without copying it through the process. One of
    # them must be a pipe.
    #
    # @param source [IO, Stream, Integer]
    # @param maxlen [Integer] bytes at most
    # @return [Integer] bytes moved; 0 at the end
    # @raise as Loop#splice
    def splice_from(source, maxlen) = Rota.loop.splice(source, self, maxlen)

    # Doubles what is at hand in a pipe into this one, where it is still to be read from the source.
    #
    # @param source [IO, Stream, Integer] a pipe
    # @param maxlen [Integer] bytes at most
    # @return [Integer] bytes doubled; 0 at the end
    # @raise as Loop#tee
    def tee_from(source, maxlen) = Rota.loop.tee(source, self, maxlen)

    # Copies to another io until the end, or so many bytes.
    #
    # @param target [IO, Stream, Integer]
    # @param length [Integer, nil] bytes; nil is until the end
    # @param offset [Integer, nil] where in this file; nil is where it is
    # @return [Integer] bytes copied
    # @raise as Loop#copy
    def copy_to(target, length = nil, offset = nil) = Rota.loop.copy(self, target, length, offset)

    # @api private
    def self.next_bytes(io, maxlen)
      loop = Rota.loop
      loop.__buffered?(io) ? io.readpartial(maxlen) : loop.read(io, maxlen)
    end
  end
end
