# frozen_string_literal: true

module HTTP
  # What one client may cost. Every number of bytes or seconds that a client controls is in here.
  class Limits
    attr_reader :request_line, :head, :fields, :body, :idle, :request, :linger

    # Bytes: `request_line`, `head` (all header fields together) and `body`.
    # Seconds: `idle` between two requests, `request` from the first byte of a request to the last
    # byte of its response, `linger` for a client to read our answer to a request that we refused.
    def initialize(request_line: 8192, head: 16_384, fields: 100, body: 1_048_576,
                   idle: 30, request: 10, linger: 1)
      @request_line = request_line
      @head = head
      @fields = fields
      @body = body
      @idle = idle
      @request = request
      @linger = linger
    end
  end
end
