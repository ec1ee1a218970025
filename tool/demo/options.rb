# frozen_string_literal: true

require "ipaddr"
require "optparse"

module Demo
  # What the command line asks for.
  class Options
    attr_reader :mode, :address, :connections, :seconds, :port

    def initialize(arguments)
      @mode = :show
      @connections = 256
      @seconds = 5.0
      @port = nil
      parser.parse!(arguments)
      raise OptionParser::InvalidArgument, arguments.join(" ") unless arguments.empty?
    end

    private

    def parser
      OptionParser.new("usage: bin/demo [options]") do |o|
        o.on("--connections N", Integer, "keep-alive connections (256)") { |n| @connections = positive(n) }
        o.on("--seconds S", Float, "how long the load lasts (5)") { |s| @seconds = positive(s) }
        o.on("--port N", Integer, "of the server (a free one; 8080 with --serve)") { |n| @port = n }
        o.on("--serve [HOST:PORT]", "only serve, until Ctrl-C") { |address| serve(address) }
        o.on("--client internal", ["internal"], "only put load on --port, report in JSON") { @mode = :client }
        o.on("--server internal", ["internal"], "only serve, with counters at /counters") { @mode = :server }
      end
    end

    def positive(number)
      number.positive? ? number : raise(OptionParser::InvalidArgument, "#{number}: must be above zero")
    end

    def serve(address)
      @mode = :serve
      @address = address
      refuse_others(address.rpartition(":").first) if address
    end

    def refuse_others(host)
      return if host == "localhost" || IPAddr.new(host).loopback?

      raise OptionParser::InvalidArgument,
            "#{host}: the demo serves the loopback only, examples/http_server.rb any address"
    rescue IPAddr::InvalidAddressError
      raise OptionParser::InvalidArgument, "#{host}: not a loopback address"
    end
  end
end
