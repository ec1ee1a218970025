# frozen_string_literal: true

require "json"
require_relative "counters"

module Bench
  # The time that a self-timed contender works, seen from inside the measured process: warm-up, then
  # the window. Concurrent contenders `watch` it from one task while the others work until `over?`;
  # a single loop asks `goes_on?`.
  class Stint
    # Operations done, one cell per actor: threads do not share a cell. One that has not begun has none.
    attr_reader :counts

    def initialize(params)
      @params = params
      @counts = []
      @stats = -> { {} }
      @over = false
      @latencies = nil
    end

    def [](name) = @params.fetch(name)
    def over? = @over

    # The block answers the runtime's own counters (loop.stats).
    def stats(&block)
      @stats = block
    end

    # Counts what the block does, and within the window also takes its time: for operations that are
    # long beside two readings of the clock.
    def timed(index, operations = 1)
      from = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
      yield
      @latencies&.push(Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond) - from)
      counts[index] += operations
    end

    def await_go
      $stdout.syswrite("ready {}\n")
      $stdin.gets or exit(1)
    end

    # Sleeps through both phases with the given block, which must let the others work.
    def watch(&block)
      watch_window(&block)
      @over = true
    end

    # For who cannot sleep to the moment while the others work, or does not always come to an end: reports
    # as soon as the window is closed, while the others go on, and ends the process.
    def watch_from_thread
      Thread.new do
        watch_window { |seconds| sleep(seconds) }
        report
        exit!(0)
      end
    end

    # For a single loop that nobody watches; to be asked every hundred operations or so.
    def goes_on?
      now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      @turns_at ||= now + self[:warmup]
      return true if now < @turns_at

      @over = !@from.nil?
      @over ? close_window : open_window
      @turns_at = Process.clock_gettime(Process::CLOCK_MONOTONIC) + self[:seconds]
      !over?
    end

    def report
      result = Counters.difference(@from, @to).merge(total_ops: counts.compact.sum, rss_kb: Counters.rss_kb, **latency)
      $stdout.syswrite("result #{JSON.generate(result)}\n")
    end

    private

    def watch_window
      yield self[:warmup]
      open_window
      yield self[:seconds]
      close_window
    end

    def open_window
      @timings = @latencies = []
      count_instructions("on")
      @from = snapshot
    end

    def close_window
      @to = snapshot
      count_instructions("off")
      @latencies = nil
    end

    # See Instructions, which the measured process does not load.
    def count_instructions(how)
      return unless ENV["BENCH_CALLGRIND"]

      system("callgrind_control", "-i", how, Process.pid.to_s, out: File::NULL, err: File::NULL)
    end

    def latency
      return {} if @timings.empty?

      @timings.sort!
      { p50_ns: @timings[@timings.size / 2], p99_ns: @timings[@timings.size * 99 / 100] }
    end

    def snapshot
      Counters.take(@stats.call).merge(ops: counts.compact.sum)
    end
  end
end
