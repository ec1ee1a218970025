# frozen_string_literal: true

module Rota
  # A coarse timer: its times are rounded up to a grid, so that many deadlines come due in few turns
  # of the loop. Never early, and late by at most the resolution.
  #
  # A deadline costs the loop no system call and some 15 ns in a heap, so there is no task behind it
  # that would have to tick.
  class Timer
    # @return [Float] seconds between two points of the grid
    attr_reader :resolution

    # @param resolution [Numeric] seconds
    def initialize(resolution:)
      Numbers.require_positive("resolution:", resolution)
      @resolution = resolution.to_f
      @epoch = now
      @deadlines = {}.compare_by_identity # task => [[timeout, seconds], ...], outermost first
      @tasks = ObjectSpace::WeakMap.new   # of after
      @ticking = {}.compare_by_identity   # tasks that wait in every
      @stopped = false
    end

    # @param seconds [Numeric]
    # @return [Integer] seconds slept, rounded
    def sleep(seconds)
      check_running
      Rota.sleep(coarse(seconds))
    end

    # Runs the block after that time, in a task.
    #
    # @param seconds [Numeric]
    # @return [Rota::Task] its result is the block's
    def after(seconds, &block)
      raise ArgumentError, "no block given" unless block

      check_running
      span = coarse(seconds)
      task = Rota.spin do
        Rota.sleep(span) if span.positive?
        block.call
      end
      # Not true for each: a WeakMap lists the keys of a value, and Ruby 3.1 takes a list of thirty for an
      # object that its collector has moved.
      @tasks[task] = task
      task.terminate if @stopped # by another thread, which did not find it
      task
    end

    # Runs the block at every interval, the first time after one; without drift, and missed times are
    # skipped. Returns when the timer is stopped.
    #
    # @param seconds [Numeric]
    # @return [nil]
    def every(seconds)
      raise ArgumentError, "no block given" unless block_given?

      Numbers.require_positive("the interval", seconds)
      check_running
      due = now + seconds
      loop do
        tick(due)
        break if @stopped

        yield
        missed = ((now - due) / seconds).floor
        due += seconds * (1 + [missed, 0].max)
      end
      nil
    end

    # As {Rota.cancel_after}.
    #
    # @yieldparam timeout [Rota::Timeout]
    # @return [Object] the block's value
    def cancel_after(seconds, **options)
      raise ArgumentError, "no block given" unless block_given?

      check_running
      Rota.cancel_after(coarse(seconds), **options) { |timeout| under(timeout, seconds) { yield timeout } }
    end

    # As {Rota.move_on_after}.
    #
    # @yieldparam timeout [Rota::Timeout]
    # @return [Object] the block's value, or +with_value+
    def move_on_after(seconds, with_value: nil)
      raise ArgumentError, "no block given" unless block_given?

      check_running
      Rota.move_on_after(coarse(seconds), with_value: with_value) do |timeout|
        under(timeout, seconds) { yield timeout }
      end
    end

    # Starts the time of the current task's innermost deadline anew.
    #
    # @return [self]
    def reset
      timeout, seconds = @deadlines[Rota.current]&.last
      timeout&.reset(coarse(seconds)) unless @stopped
      self
    end

    # Ends what the timer drives: tasks of +after+ are terminated, +every+ returns, and the deadlines
    # of blocks that still run do not come any more. Sleeps end in their time.
    #
    # @return [self]
    def stop
      @stopped = true
      @ticking.each_key(&:schedule)
      @deadlines.values.flatten(1).map(&:first).each { |timeout| timeout.reset(FOREVER) }
      Task.__terminate(@tasks.keys)
      self
    end

    private

    FOREVER = 1_000_000_000
    private_constant :FOREVER

    def check_running
      raise Error, "the timer was stopped" if @stopped
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    # Seconds from now to the first point of the grid that is not before now + seconds.
    def coarse(seconds)
      Numbers.require("a time", seconds)
      return seconds unless seconds.positive?

      start = now
      points = (start + seconds - @epoch) / @resolution
      points.infinite? ? seconds : @epoch + (points.ceil * @resolution) - start
    end

    # Waits for one time of an +every+, at least for one pass of the run queue.
    def tick(due)
      task = Rota.current
      @ticking[task] = true
      Rota.sleep(0) if due <= now
      while !@stopped && (left = due - now).positive?
        Rota.sleep(coarse(left))
      end
    ensure
      @ticking.delete(task)
    end

    def under(timeout, seconds)
      task = Rota.current
      (@deadlines[task] ||= []) << [timeout, seconds]
      timeout.reset(FOREVER) if @stopped # by another thread, which did not find it
      yield
    ensure
      open = @deadlines[task]
      open.pop
      @deadlines.delete(task) if open.empty?
    end
  end
end
