# frozen_string_literal: true

module Rota
  class << self
    # Opens a file as a stream.
    #
    # @param path [String, #to_path]
    # @param mode [String, Integer] as File.open's, encodings included: "r", "w+", "rb", "r:utf-16le:utf-8",
    #   "r:bom|utf-8", or +File::RDONLY+ ...; with "b" and no encodings the stream reads binary Strings
    # @param perm [Integer] permissions of a new file, less the umask
    # @param dir [Dir, IO, Integer, nil] where a relative path begins; nil: the working directory
    # @yieldparam stream [Rota::Stream] which is closed behind the block
    # @return [Rota::Stream, Object] the stream, or the block's value
    # @raise [SystemCallError] +Errno::ENOENT+, +Errno::EACCES+, +Errno::EISDIR+ ...
    # @raise [ArgumentError] an unknown mode, or one that converts line ends ("rt")
    def open(path, mode = "r", perm = 0o666, dir: nil, &block)
      flags, encodings = mode.is_a?(String) ? [mode[/\A[^:]*/], mode[/:(.*)/m, 1]] : [mode, nil]
      require_readable(flags, encodings) if encodings
      stream = Rota.loop.open(path, flags, perm, dir: dir)
      prepare(stream, flags, encodings)
      lend(stream, &block)
    end

    private

    # What {open}, {pipe} and {connect} have made; with a block it is closed behind that.
    def lend(made)
      return made unless block_given?

      begin
        yield made
      ensure
        made.close
      end
    end

    # Text that cannot be read so is refused before the file is made, or cut: set_encoding comes behind that.
    def require_readable(flags, encodings)
      external, internal = encodings.sub(/\Abom\|/i, "").split(":", 2)
      converted = internal && internal != "-"
      return if converted || flags.include?("b") || !flags.match?(/[r+]/) || ascii_compatible?(external)

      raise ArgumentError, "ASCII incompatible encoding needs binmode"
    end

    # Ruby only warns of one that it does not know.
    def ascii_compatible?(name)
      Encoding.find(name.to_s)&.ascii_compatible? != false
    rescue ArgumentError
      true
    end

    def prepare(stream, flags, encodings)
      stream.binmode if flags.is_a?(String) && flags.include?("b")
      return unless encodings

      stream.set_encoding(encodings)
      take_mark(stream) if encodings.match?(/\Abom\|utf/i) && flags.match?(/[r+]/)
    rescue ::Exception # the mark may be waited for
      stream.close
      raise
    end

    # Byte order marks; the fourth begins with the fifth.
    MARKS = {
      "\xEF\xBB\xBF".b => Encoding::UTF_8, "\xFE\xFF".b => Encoding::UTF_16BE, "\0\0\xFE\xFF".b => Encoding::UTF_32BE,
      "\xFF\xFE\0\0".b => Encoding::UTF_32LE, "\xFF\xFE".b => Encoding::UTF_16LE
    }.freeze
    private_constant :MARKS

    # Looks no further than it has to, as IO does: a pipe may bring less than a mark.
    def take_mark(stream)
      mark, encoding = MARKS.find do |bytes, _|
        (1..bytes.bytesize).all? { |length| stream.peek(length) == bytes.byteslice(0, length) }
      end
      return unless mark

      stream.skip(mark.bytesize)
      internal = stream.internal_encoding
      stream.set_encoding(encoding, (internal unless internal == encoding))
    end
  end
end
