# frozen_string_literal: true

require "json"
require_relative "counters"

module Bench
  # The time that a self-timed contender works, seen from inside the measured process: warm-up, then
  # the window. Concurrent contenders `watch` it from one task while the others work until `over?`;
  # a single loop asks `goes_on?`.
  class Stint
    # Operations done, one cell per actor: threads do not share a cell.
    attr_reader :counts

    def initialize(params)
      @params = params
      @counts = []
      @stats = -> { {} }
      @over = false
    end

    def [](name) = @params.fetch(name)
    def over? = @over

    # The block answers the runtime's own counters (loop.stats).
    def stats(&block)
      @stats = block
    end

    def await_go
      $stdout.syswrite("ready {}\n")
      $stdin.gets or exit(1)
    end

    # Sleeps through both phases with the given block, which must let the others work.
    def watch
      yield self[:warmup]
      open_window
      yield self[:seconds]
      close_window
    end

    # For a single loop that nobody watches; to be asked every hundred operations or so.
    def goes_on?
      now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      @turns_at ||= now + self[:warmup]
      return true if now < @turns_at

      @from ? close_window : open_window
      @turns_at = now + self[:seconds]
      !over?
    end

    def report
      result = Counters.difference(@from, @to).merge(total_ops: counts.sum, rss_kb: Counters.rss_kb)
      $stdout.syswrite("result #{JSON.generate(result)}\n")
    end

    private

    def open_window
      @from = snapshot
    end

    def close_window
      @to = snapshot
      @over = true
    end

    def snapshot
      Counters.take(@stats.call).merge(ops: counts.sum)
    end
  end
end
