# frozen_string_literal: true

require "json"
require "rota"
require_relative "../../examples/http_server"

module Demo
  # The example web server, and one more route through which the demo reads the loop's counters.
  # Requests are counted in here, so that counters and requests are of the same moment.
  class Server < Application
    COUNTERS = "/counters"

    # Serves until INT, or until the process that started it has gone.
    def self.run(address)
      server = new
      starter = Process.ppid
      Rota.run do
        listener = Rota.listen(address) { |stream| server.serve(stream) }
        puts "listening on #{listener.address}"
        Rota.sleep(1) while Process.ppid == starter
      rescue Interrupt
        listener&.stop
      end
    end

    def initialize
      super
      @limits = HTTP::Limits.new
      @requests = 0
    end

    def serve(stream)
      HTTP::Connection.new(stream, self, @limits).serve
    end

    def call(request)
      @requests += 1
      request.target == COUNTERS ? counters : super
    end

    private

    def counters
      loop = Rota.loop
      report = { requests: @requests, engine: loop.engine, stats: loop.stats, features: loop.features }
      HTTP::Response.new(JSON.generate(report), type: "application/json")
    end
  end
end
