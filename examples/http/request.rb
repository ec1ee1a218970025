# frozen_string_literal: true

module HTTP
  # One request. The fields that decide where it ends and what happens to its connection are
  # interpreted while they are read; the others stay as they came until somebody asks for them.
  class Request
    HOST = /\Ahost:/in
    DECISIVE = /\A(?:content-length|transfer-encoding|connection|expect):/in
    private_constant :HOST, :DECISIVE

    attr_reader :method, :target, :content_length
    attr_accessor :body

    def initialize(method, target, version)
      @method = method
      @target = target
      @old = version == "1.0"
      @keep_alive = !@old
      @lines = []
      @body = ""
    end

    # Whether the client speaks HTTP/1.0, which closes unless asked to keep the connection.
    def old? = @old

    def head? = @method == "HEAD"

    def keep_alive? = @keep_alive

    def chunked? = @chunked

    def expects_continue? = @expects_continue && !old?

    # The value of a header field, or nil; several of one name are joined, as RFC 9110 has it.
    def [](name)
      prefix = /\A#{Regexp.escape(name)}:/i
      values = @lines.grep(prefix) { |line| line.split(":", 2).last.strip }
      values.join(", ") unless values.empty?
    end

    # Takes a header line that is known to be well-formed.
    def add_field(line)
      @lines << line
      if HOST.match?(line) then note_host
      elsif DECISIVE.match?(line) then interpret(line)
      end
    end

    # To be called after the last field.
    def check
      refuse(400, "exactly one Host field is required") unless @host || old?
      refuse(400, "both Content-Length and Transfer-Encoding") if @content_length && @chunked
      refuse(400, "Transfer-Encoding in HTTP/1.0") if @chunked && old?
    end

    private

    def interpret(line)
      name, value = line.split(":", 2)
      value.strip!
      case name.downcase
      when "connection" then interpret_connection(value)
      when "content-length" then interpret_content_length(value)
      when "transfer-encoding" then interpret_transfer_encoding(value)
      when "expect" then interpret_expect(value)
      end
    end

    def note_host
      refuse(400, "exactly one Host field is required") if @host
      @host = true
    end

    def interpret_connection(value)
      if value.match?(/(?:\A|,)\s*close\s*(?:,|\z)/i)
        @keep_alive = false
      elsif old? && value.match?(/(?:\A|,)\s*keep-alive\s*(?:,|\z)/i)
        @keep_alive = true
      end
    end

    def interpret_content_length(value)
      refuse(400, "bad Content-Length") unless value.match?(/\A\d{1,18}\z/)
      refuse(400, "two Content-Lengths") if @content_length && @content_length != value.to_i
      @content_length = value.to_i
    end

    def interpret_transfer_encoding(value)
      refuse(501, "unknown Transfer-Encoding") unless value.casecmp?("chunked") && !@chunked
      @chunked = true
    end

    def interpret_expect(value)
      refuse(417, "unknown Expect") unless value.casecmp?("100-continue")
      @expects_continue = true
    end

    def refuse(status, message)
      raise Refusal.new(status, message)
    end
  end
end
