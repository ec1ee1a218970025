# frozen_string_literal: true

require "json"
require "rota"
require_relative "exchange"
require_relative "histogram"

module Demo
  # Puts load on the server over many keep-alive connections, each a task that sends a request,
  # waits for its response, checks it, and goes on with the next.
  #
  # Prints one JSON object a line: `started` when all connections are open and warm, `progress` now
  # and then, `finished` with the figures. Time and requests count from `started` on.
  class Client
    PROGRESS_INTERVAL = 0.1
    PAUSE_AFTER_ERROR = 0.1

    def initialize(address, connections:, seconds:)
      @address = address
      @connections = connections
      @seconds = seconds
      @latencies = Histogram.new
      @errors = Hash.new(0)
      @phase = :opening
      @warm = 0
    end

    def run
      Rota.run do
        users = Array.new(@connections) { Rota.spin { use_connections } }
        Rota.sleep(0.01) until @warm == @connections || @errors.any?
        measure
        users.each(&:await)
      end
      tell :finished, **figures
    end

    private

    # Between `started` and `over` the loop of the server is under nothing but the load.
    def measure
      @phase = :measuring
      @started_at = now
      tell :started
      watch
      @elapsed = seconds_since_start
      @phase = :over
      tell :over
    end

    def watch
      until (elapsed = seconds_since_start) >= @seconds
        tell :progress, elapsed: elapsed, requests: @latencies.count, errors: @errors.values.sum
        Rota.sleep([PROGRESS_INTERVAL, @seconds - elapsed].min)
      end
    end

    # A connection that fails is counted and replaced.
    def use_connections
      until @phase == :over
        begin
          Exchange.open(@address) { |exchange| use(exchange) }
        rescue Exchange::Wrong, SystemCallError, IOError, Rota::TimeoutError => e
          @errors["#{e.class}: #{e.message}"] += 1
          Rota.sleep(PAUSE_AFTER_ERROR)
        end
      end
    end

    def use(exchange)
      exchange.call
      @warm += 1
      time(exchange) until @phase == :over
    end

    # Until the start connections wait their turn, so that all of them begin together.
    def time(exchange)
      return Rota.sleep(0.01) if @phase == :opening

      began = now
      exchange.call
      @latencies.add(now - began) if @phase == :measuring
    end

    def figures
      { elapsed: @elapsed, requests: @latencies.count, errors: @errors,
        p50: @latencies.percentile(0.5), p99: @latencies.percentile(0.99) }
    end

    def tell(event, **details)
      $stdout.puts JSON.generate({ event: event, **details })
    end

    def seconds_since_start = (now - @started_at) / 1e6

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC, :microsecond)
  end
end
