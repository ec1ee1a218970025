# frozen_string_literal: true

module HTTP
  # What goes back to the client. A response has no memory of its request, so one that is always
  # the same can be made once and used for every request.
  class Response
    REASONS = {
      100 => "Continue", 200 => "OK", 206 => "Partial Content", 301 => "Moved Permanently",
      304 => "Not Modified", 400 => "Bad Request", 404 => "Not Found", 405 => "Method Not Allowed",
      408 => "Request Timeout", 413 => "Content Too Large", 414 => "URI Too Long",
      416 => "Range Not Satisfiable", 417 => "Expectation Failed", 431 => "Request Header Fields Too Large",
      500 => "Internal Server Error", 501 => "Not Implemented", 505 => "HTTP Version Not Supported"
    }.freeze
    STATUS_LINES = REASONS.to_h { |status, reason| [status, "HTTP/1.1 #{status} #{reason}\r\n"] }.freeze
    CONNECTION = { keep: "", close: "Connection: close\r\n", keep_old: "Connection: keep-alive\r\n" }.freeze

    attr_reader :status, :body

    # `body` is a String, or for large ones anything with `bytesize` and an `each` that yields
    # Strings, or with `bytesize` and a `send_to(stream)` that yields now and then. One that has a
    # `close` is closed when it was sent. `fields` are complete header lines.
    def initialize(body, status: 200, type: "text/plain", fields: "")
      @body = body
      @status = status
      @head = "#{STATUS_LINES.fetch(status)}#{content_fields(status, type)}#{fields}"
      freeze
    end

    def self.error(status, fields: "")
      new("#{status} #{REASONS.fetch(status)}\n", status: status, fields: fields)
    end

    # The head as it is sent; `connection` is one of the keys of CONNECTION.
    def head(date_line, connection)
      "#{@head}#{date_line}#{CONNECTION.fetch(connection)}\r\n"
    end

    private

    # A 304 stands for the response that the client has.
    def content_fields(status, type)
      "Content-Type: #{type}\r\nContent-Length: #{body.bytesize}\r\n" unless status == 304
    end
  end
end
