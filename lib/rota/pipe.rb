# frozen_string_literal: true

require "forwardable"

module Rota
  class << self
    # A pipe: what is written to it can be read from it, in its order.
    #
    #   pipe = Rota.pipe
    #   Rota.spin { pipe.write("hello\n"); pipe.close_write }
    #   pipe.gets # => "hello\n"
    #
    #   reader, writer = Rota.pipe
    #
    # @yieldparam pipe [Rota::Pipe] which is closed behind the block
    # @return [Rota::Pipe, Object] the pipe, or the block's value
    # @raise [SystemCallError] +Errno::EMFILE+ ...
    def pipe(&block) = lend(Pipe.new(*__pipe), &block)
  end

  # Two streams, one to read from and one to write to, and both at once: it reads with the one's methods
  # and writes with the other's. Made by {Rota.pipe}.
  class Pipe
    extend Forwardable

    # @return [Rota::Stream] the end to read from
    attr_reader :reader

    # @return [Rota::Stream] the end to write to
    attr_reader :writer

    # @api private
    def initialize(reader, writer)
      @reader = reader
      @writer = writer
    end

    READING = %i[
      read readpartial read_nonblock read_exactly read_until read_loop feed_loop gets readline each_line readlines getc
      readchar each_char getbyte readbyte each_byte ungetc ungetbyte eof? peek skip wait_readable
    ].freeze
    WRITING = %i[write write_nonblock << print puts printf putc flush wait_writable].freeze
    private_constant :READING, :WRITING

    # @!method read(length = nil, buffer = nil)
    #   {Stream#read} of the reader; so are all of its other methods that read.
    def_delegators :@reader, *READING
    # @!method write(*strings)
    #   {Stream#write} of the writer; so are all of its other methods that write.
    def_delegators :@writer, *WRITING

    # Lets <tt>reader, writer = Rota.pipe</tt> take it apart.
    #
    # @return [Array<Rota::Stream>] reader and writer
    def to_ary = [reader, writer]
    alias to_a to_ary

    # The reader comes to the end behind what was written.
    #
    # @return [nil]
    def close_write = writer.close

    # Who writes gets +Errno::EPIPE+.
    #
    # @return [nil]
    def close_read = reader.close

    # Closes both ends.
    #
    # @return [nil]
    def close
      writer.close
      reader.close
    end

    # @return [Boolean] are both ends closed?
    def closed? = reader.closed? && writer.closed?

    # @return [Integer] how many bytes it holds before who writes has to wait
    # @raise [IOError] the writer is closed
    def capacity = fcntl(F_GETPIPE_SZ)

    # @param bytes [Integer] rounded up to a power of two
    # @return [Integer]
    # @raise [SystemCallError] +Errno::EPERM+ above /proc/sys/fs/pipe-max-size, +Errno::EBUSY+ when it holds more
    def capacity=(bytes)
      fcntl(F_SETPIPE_SZ, Integer(bytes))
    end

    # @return [String]
    def inspect = "#<Rota::Pipe #{reader.inspect} #{writer.inspect}>"

    F_SETPIPE_SZ = 1031
    F_GETPIPE_SZ = 1032
    private_constant :F_SETPIPE_SZ, :F_GETPIPE_SZ

    private

    def fcntl(*command) = writer.to_io.fcntl(*command)
  end
end
