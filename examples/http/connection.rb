# frozen_string_literal: true

require_relative "date_line"
require_relative "request_reader"
require_relative "response"

module HTTP
  # The life of one connection: requests are read, handed to the application and answered one by
  # one, in order, until one side wants to stop.
  #
  # The application is anything that has `call(request)` and returns a Response.
  class Connection
    CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"
    DATE_LINE = DateLine.new

    def initialize(stream, app, limits)
      @stream = stream
      @app = app
      @limits = limits
      @reader = RequestReader.new(stream, limits)
      @phase = :idle
    end

    def serve
      serve_requests
    rescue Refusal => e
      refuse(e.status)
    rescue Rota::TimeoutError
      # A client that is slow while it asks is told so. One that was idle has asked nothing, and
      # one that does not read would not read this either.
      refuse(408) if @phase == :reading
    rescue SystemCallError, IOError
      # The client went away in the middle. That is its right, and there is nobody left to tell.
    end

    private

    # One deadline serves the whole connection and is only moved, which costs no system call.
    def serve_requests
      Rota.cancel_after(@limits.idle) do |deadline|
        @deadline = deadline
        loop do
          @phase = :idle
          break if @stream.eof? # waits for the first byte of the next request

          deadline.reset(@limits.request)
          break unless serve_request

          deadline.reset(@limits.idle)
        end
      end
    end

    # Whether the connection goes on.
    def serve_request
      @phase = :reading
      request = @reader.read_head or return false
      receive_body(request) if @reader.body?(request)
      @phase = :writing
      send_response(answer(request), request)
      request.keep_alive?
    end

    def receive_body(request)
      @stream << CONTINUE if request.expects_continue?
      request.body = @reader.read_body(request)
    end

    # A bug in the application costs this request only: its end in the stream is known.
    def answer(request)
      @app.call(request)
    rescue Rota::TimeoutError
      raise # the deadline of the connection, not a mistake of the application
    rescue StandardError => e
      warn e.full_message
      Response.error(500)
    end

    def send_response(response, request)
      head = response.head(DATE_LINE, connection_field(request))
      body = response.body
      if request.head?
        @stream.write(head)
      elsif body.is_a?(String)
        @stream.write(head, body)
      else
        @stream.write(head)
        send_pieces(body)
      end
    ensure
      body.close if body.respond_to?(:close)
    end

    # A long response may take longer than any limit, as long as the client goes on reading.
    def send_pieces(body)
      if body.respond_to?(:send_to)
        body.send_to(@stream) { @deadline.reset(@limits.request) }
      else
        body.each do |piece|
          @stream.write(piece)
          @deadline.reset(@limits.request)
        end
      end
    end

    def connection_field(request)
      return :close unless request.keep_alive?

      request.old? ? :keep_old : :keep
    end

    # Answers a request that cannot be served, and hangs up. What the client still sends is read and
    # thrown away for a moment: closing with bytes unread would make the kernel send a reset, and a
    # reset can overtake the answer.
    def refuse(status)
      Rota.move_on_after(@limits.linger) do
        response = Response.error(status)
        @stream.write(response.head(DATE_LINE, :close), response.body)
        @stream.close_write
        loop { @stream.readpartial(65_536) }
      end
    rescue SystemCallError, IOError
      # The end of the stream is an IOError too: the client has read the answer and closed.
    end
  end
end
