# frozen_string_literal: true

module Demo
  # One request and its response on a keep-alive connection. Nothing about the response is taken on
  # trust: a wrong status, length or body raises, and so does a connection that ends early.
  class Exchange
    class Wrong < StandardError; end

    REQUEST = "GET / HTTP/1.1\r\nHost: demo\r\n\r\n"
    STATUS_LINE = "HTTP/1.1 200 OK\r\n"
    BODY = "Hello from Rota\n"
    LENGTH_FIELD = /^Content-Length: #{BODY.bytesize}\r$/
    HEAD_LIMIT = 4096
    TIMEOUT = 10

    def self.open(address)
      stream = Rota.connect(address, timeout: TIMEOUT)
      stream.timeout = TIMEOUT
      yield new(stream)
    ensure
      stream&.close
    end

    def initialize(stream)
      @stream = stream
    end

    def call
      @stream.write(REQUEST)
      check_head(@stream.gets("\r\n\r\n", HEAD_LIMIT))
      check_body(@stream.read(BODY.bytesize))
    end

    private

    def check_head(head)
      raise Wrong, "connection closed instead of a response" unless head
      raise Wrong, "response without an end of its head" unless head.end_with?("\r\n\r\n")
      raise Wrong, "status: #{head.lines.first.inspect}" unless head.start_with?(STATUS_LINE)
      raise Wrong, "wrong Content-Length" unless head.match?(LENGTH_FIELD)
    end

    def check_body(body)
      raise Wrong, "wrong body" unless body == BODY
    end
  end
end
