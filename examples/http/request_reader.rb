# frozen_string_literal: true

require_relative "refusal"
require_relative "request"

module HTTP
  # Reads requests from a stream, one after another. It reads exactly one request and no byte more,
  # so a client that pipelines finds the next one waiting in the stream.
  #
  # There is no state machine: where bytes are missing, the stream makes this task wait.
  class RequestReader
    REQUEST_LINE = %r{\A([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/(\d\.\d)\r?\n\z}n
    FIELD = /\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\0\r\n]*\r?\n\z/n
    CHUNK_SIZE = /\A(\h{1,15})(?:[ \t]*;[^\0\r\n]*)?\r?\n\z/n
    CHUNK_LINE_LIMIT = 256

    def initialize(stream, limits)
      @stream = stream
      @limits = limits
    end

    # The next request without its body, nil when the client has closed instead.
    def read_head
      line = read_request_line or return
      request = parse_request_line(line)
      read_fields { |field| request.add_field(field) }
      request.check
      request
    end

    # Whether the request has a body, and it may come. Refuses one that is announced as too large
    # before a byte of it is read.
    def body?(request)
      return true if request.chunked?

      length = request.content_length or return false
      refuse(413, "body of #{length} bytes") if length > @limits.body
      length.positive?
    end

    def read_body(request)
      request.chunked? ? read_chunks : read_exactly(request.content_length)
    end

    private

    # Some clients send an empty line after the previous body; the standard asks to overlook it.
    def read_request_line
      line = read_line(@limits.request_line, 414)
      line = read_line(@limits.request_line, 414) if line && blank?(line)
      line
    end

    def parse_request_line(line)
      refuse(400, "not an HTTP request") unless REQUEST_LINE.match(line)
      method, target, version = $1, $2, $3
      refuse(505, "HTTP/#{version}") unless version.start_with?("1.")
      Request.new(method, target, version)
    end

    # Yields each header line up to the empty one, checked for its form.
    def read_fields
      room = @limits.head
      @limits.fields.times do
        line = read_line(room, 431) or refuse(400, "the request ends within its head")
        return if blank?(line)

        refuse(400, "bad header field") unless FIELD.match?(line)
        room -= line.bytesize
        refuse(431, "header fields too large") unless room.positive?
        yield line
      end
      refuse(431, "too many header fields")
    end

    def read_chunks
      body = +""
      while (size = read_chunk_size).positive?
        refuse(413, "chunked body too large") if body.bytesize + size > @limits.body
        body << read_exactly(size)
        refuse(400, "chunk without its end") unless blank?(read_line(2, 400))
      end
      read_fields {} # trailers, which nobody here needs
      body
    end

    def read_chunk_size
      line = read_line(CHUNK_LINE_LIMIT, 400)
      refuse(400, "bad chunk size") unless line && CHUNK_SIZE.match(line)
      $1.to_i(16)
    end

    def read_exactly(length)
      bytes = @stream.read(length)
      refuse(400, "the request ends within its body") unless bytes&.bytesize == length
      bytes
    end

    # A line with its end, nil at the end of the stream. Bytes, not characters: the patterns above
    # must see any garbage as garbage, not as an encoding error.
    def read_line(limit, status_if_longer)
      line = @stream.gets("\n", limit) or return
      line.force_encoding(Encoding::BINARY)
      return line if line.end_with?("\n")

      refuse(line.bytesize < limit ? 400 : status_if_longer, "line too long or cut off")
    end

    def blank?(line) = line == "\r\n" || line == "\n"

    def refuse(status, message)
      raise Refusal.new(status, message)
    end
  end
end
