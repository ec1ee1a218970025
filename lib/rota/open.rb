# frozen_string_literal: true

module Rota
  class << self
    # Opens a file as a stream.
    #
    # @param path [String, #to_path]
    # @param mode [String, Integer] as File.open's, encodings included: "r", "w+", "rb", "r:utf-16le:utf-8",
    #   or +File::RDONLY+ ...; with "b" the stream reads binary Strings
    # @param perm [Integer] permissions of a new file, less the umask
    # @param dir [Dir, IO, Integer, nil] where a relative path begins; nil: the working directory
    # @yieldparam stream [Rota::Stream] which is closed behind the block
    # @return [Rota::Stream, Object] the stream, or the block's value
    # @raise [SystemCallError] +Errno::ENOENT+, +Errno::EACCES+, +Errno::EISDIR+ ...
    # @raise [ArgumentError] an unknown mode, or one that converts line ends ("rt")
    def open(path, mode = "r", perm = 0o666, dir: nil)
      flags, encodings = mode.is_a?(String) ? mode.split(":", 2) : [mode, nil]
      stream = Rota.loop.open(path, flags, perm, dir: dir)
      prepare(stream, flags, encodings)
      return stream unless block_given?

      begin
        yield stream
      ensure
        stream.close
      end
    end

    private

    def prepare(stream, flags, encodings)
      if encodings
        stream.set_encoding(encodings)
      elsif flags.is_a?(String) && flags.include?("b")
        stream.binmode
      end
    rescue StandardError
      stream.close
      raise
    end
  end
end
