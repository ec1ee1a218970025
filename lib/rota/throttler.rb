# frozen_string_literal: true

module Rota
  # Paces work: the starts of two blocks are at least an interval apart, also after a pause; there
  # are no bursts. Who waits is served first come, first served.
  #
  #   throttler = Rota::Throttler.new(10) # ten times a second
  #   loop { throttler.process { poll } }
  class Throttler
    # @return [Float] seconds between two starts
    attr_reader :interval

    # @overload initialize(rate)
    #   @param rate [Numeric] starts per second
    # @overload initialize(rate:)
    #   @param rate [Numeric] starts per second
    # @overload initialize(interval:)
    #   @param interval [Numeric] seconds between two starts
    def initialize(positional_rate = nil, rate: nil, interval: nil)
      given = [positional_rate, rate, interval].compact
      raise ArgumentError, "one of a rate and interval: is needed" unless given.size == 1

      Numbers.require_positive("a rate or interval", given.first)

      @interval = (interval || 1.0 / given.first).to_f
      @next_start = 0.0
      @line = Mutex.new
    end

    # Waits until the next start is due, and runs the block.
    #
    # @return [Object] the block's value
    def process
      raise ArgumentError, "no block given" unless block_given?

      @line.synchronize { wait_for_start }
      yield
    end

    private

    # Whoever is cancelled here has used nothing up.
    def wait_for_start
      pause(@next_start - now) # also when it is late already: the others are to have a turn
      pause(@next_start - now) while @next_start > now
      @next_start = now + @interval
    end

    def pause(seconds)
      seconds = [seconds, 0].max
      Rota.loop? ? Rota.sleep(seconds) : sleep(seconds)
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
