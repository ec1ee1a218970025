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
    def read_loop(maxlen = 8192, &block)
      Pieces.each(maxlen, block) { IOMethods.next_bytes(self, maxlen) }
      self
    end

    # Hands the descriptor over to a stream, with what Ruby's own buffer holds, in the IO's encodings and
    # with its timeout. The IO is the stream's +to_io+ from then on, and is closed with it: close the stream,
    # because +close+ of the IO alone leaves the descriptor open.
    #
    # Not for <tt>IO.popen(command, "r+")</tt>, which has two descriptors.
    #
    # @return [Rota::Stream] the same one each time, while it is open
    # @raise [IOError] the IO is closed, or holds characters that were converted and not read
    def stream
      known = IOMethods.open_stream(self)
      return known if known

      flush # others may run meanwhile, who close the IO, or ask for its stream, too
      IOMethods.open_stream(self) || (@__rota_stream = IOMethods.new_stream(self))
    end

    # Moves what is at hand to this IO without copying it through the process; one of the two is a pipe.
    # What was written to this IO before goes first.
    #
    # @param source [IO, Rota::Stream, Integer]
    # @param maxlen [Integer] bytes
    # @return [Integer] bytes moved; 0 at the end of the source
    # @raise as {Loop#splice}
    def splice_from(source, maxlen)
      flush
      Rota.loop.splice(source, self, maxlen)
    end

    # Doubles what is at hand in a pipe: it goes to this pipe, and is still there to be read.
    #
    # @param source [IO, Rota::Stream, Integer]
    # @param maxlen [Integer] bytes
    # @return [Integer] bytes doubled; 0 at the end of the source
    # @raise as {Loop#tee}
    def tee_from(source, maxlen)
      flush
      Rota.loop.tee(source, self, maxlen)
    end

    # Copies to another io until the end, or +length+ bytes; through the kernel alone where it can be.
    # What Ruby's own buffer of this IO holds goes first, and what of it did not arrive is there again.
    #
    # @param target [IO, Rota::Stream, Integer]
    # @param length [Integer, nil] bytes
    # @param offset [Integer, nil] where in this file, whose own position is left alone then
    # @return [Integer] bytes copied
    # @raise as {Loop#copy}
    def copy_to(target, length = nil, offset = nil)
      target.flush if target.is_a?(IO)
      copied = 0
      IOMethods.copy_buffered(self, target, length) { |count| copied += count } unless offset
      return copied if copied == length

      copied + Rota.loop.copy(self, target, length && (length - copied), offset)
    rescue ::Exception => e
      IOMethods.tell_written(e, copied) if copied&.positive?
      raise
    end

    # @api private
    def self.open_stream(io)
      known = io.instance_variable_get(:@__rota_stream)
      known if known && !known.closed?
    end

    # An IO has a timeout from Ruby 3.2 on.
    #
    # @api private
    def self.new_stream(io)
      stream = Stream.__of(io)
      stream.timeout = io.timeout if io.respond_to?(:timeout) && io.timeout
      stream
    end

    # @api private
    def self.copy_buffered(io, target, length, &told)
      left = length
      while left != 0 && Rota.loop.__buffered?(io)
        bytes = io.readpartial([left || 8192, 8192].min)
        left -= bytes.bytesize if left
        write_or_put_back(io, target, bytes, &told)
      end
    end

    # By single writes, of which each says how much has gone out, whatever interrupts.
    #
    # @api private
    def self.write_or_put_back(io, target, bytes)
      until bytes.empty?
        count = Rota.loop.write_some(target, bytes)
        bytes = bytes.byteslice(count..)
        yield count
      end
    ensure
      put_back(io, bytes) unless bytes.empty? || io.closed?
    end

    # OpenSSL's sockets put back one character after the other.
    #
    # @api private
    def self.put_back(io, bytes)
      return io.ungetbyte(bytes) if io.is_a?(IO)

      bytes.bytes.reverse_each { |byte| io.ungetc(byte) }
    end

    # What the copy behind the buffer has told already counts, too.
    #
    # @api private
    def self.tell_written(error, count)
      return if error.frozen?

      told = error.instance_variable_get(:@bytes_written)
      error.singleton_class.attr_reader :bytes_written unless told
      error.instance_variable_set(:@bytes_written, count + (told || 0))
    end

    # @api private
    def self.next_bytes(io, maxlen)
      loop = Rota.loop
      loop.__buffered?(io) ? io.readpartial(maxlen) : loop.read(io, maxlen)
    end
  end
end
