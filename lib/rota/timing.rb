# frozen_string_literal: true

module Rota
  class << self
    # A task that calls the block after a delay.
    #
    # @param seconds [Numeric]
    # @return [Rota::Task] whose result is the block's
    def after(seconds, &block)
      raise ArgumentError, "no block given" unless block

      Numbers.require("the delay", seconds)
      spin do
        Rota.sleep(seconds) if seconds.positive?
        block.call
      end
    end

    # Calls the block every so often, for ever: first after one interval, without drift. Ticks that
    # pass while the block runs are skipped.
    #
    # @param seconds [Numeric] the interval
    # @return [nil] when the block raises StopIteration
    # @raise [ArgumentError] for an interval that is not positive
    def every(seconds)
      raise ArgumentError, "no block given" unless block_given?

      Numbers.require_positive("the interval", seconds)
      due = now
      loop_until_stopped do
        due = next_tick(due, seconds)
        Rota.sleep([due - now, 0].max)
        yield
      end
    end

    # Calls the block again and again, at most so often, spaced evenly and never in bursts.
    #
    # @param rate [Numeric] calls per second
    # @param interval [Numeric] seconds between calls, instead of a rate
    # @param count [Integer, nil] how many times; nil is for ever
    # @return [nil] after +count+ calls, or when the block raises StopIteration
    # @raise [ArgumentError] without a rate or interval
    def throttled_loop(rate = nil, interval: nil, count: nil, **options, &block)
      raise ArgumentError, "no block given" unless block

      Numbers.require("count:", count) if count
      pace(Throttler.new(rate, interval: interval, **options), count, &block)
    end

    # A task that calls the block in an endless loop, paced if asked to.
    #
    # @param tag [Object]
    # @param rate [Numeric, nil] calls per second
    # @param interval [Numeric, nil] seconds between calls
    # @return [Rota::Task] which ends when the block breaks or raises StopIteration
    # @raise [ArgumentError] a rate and an interval
    def spin_loop(tag = nil, rate: nil, interval: nil, &block)
      raise ArgumentError, "no block given" unless block
      return spin(tag) { loop_until_broken(&block) } unless rate || interval

      throttler = Throttler.new(rate, interval: interval)
      spin(tag) { loop_until_broken { pace(throttler, nil, &block) } }
    end

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    # The first tick behind now: slow blocks skip ticks instead of catching up.
    def next_tick(due, interval)
      due += interval
      late = now - due
      late.positive? ? due + ((late / interval).ceil * interval) : due
    end

    def pace(throttler, count, &block)
      loop_until_stopped do
        break if count && (count -= 1).negative?

        throttler.process(&block)
      end
    end

    # Kernel#loop, but a stopped iteration gives nil.
    def loop_until_stopped
      yield while true # rubocop:disable Style/InfiniteLoop -- a break gives nil, not the iterator's result
    rescue StopIteration
      nil
    end

    # A +break+ out of a block whose method has returned is a LocalJumpError with reason :break.
    def loop_until_broken(&block)
      loop_until_stopped(&block)
    rescue LocalJumpError => e
      raise unless e.reason == :break

      e.exit_value
    end
  end
end
