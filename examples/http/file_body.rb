# frozen_string_literal: true

module HTTP
  # A part of a file as a body. Its bytes go from the page cache to the socket, without passing
  # through this process.
  class FileBody
    # After so many bytes it says that it goes on.
    PIECE = 1_048_576

    attr_reader :bytesize

    # Takes the file over: `file` is closed with it.
    def initialize(file, offset, bytesize)
      @file = file
      @offset = offset
      @bytesize = bytesize
    end

    # Yields after each piece. A file that has become shorter ends the connection: its length was
    # announced already.
    def send_to(stream)
      sent = 0
      while sent < @bytesize
        count = Rota.loop.copy(@file, stream, [PIECE, @bytesize - sent].min, @offset + sent)
        raise IOError, "the file was cut" if count.zero?

        sent += count
        yield
      end
    end

    def close = @file.close
  end
end
