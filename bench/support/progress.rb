# frozen_string_literal: true

module Bench
  # One line on standard error that says what is measured now and how long it will still take;
  # rewritten in place on a terminal.
  class Progress
    def initialize(total, output: $stderr)
      @total = total
      @output = output
      @done = 0
      @started = now
    end

    def step(text)
      show("[#{@done + 1}/#{@total}] #{text}#{remaining}")
      result = yield
      @done += 1
      result
    end

    # Work that will not come, because a contender failed.
    def drop(count)
      @total -= count
    end

    def finish
      show("#{@done} runs in #{(now - @started).round} s")
      @output.puts if @output.tty?
    end

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    def remaining
      return "" if @done.zero?

      ", #{((now - @started) / @done * (@total - @done)).ceil} s left"
    end

    def show(line)
      @output.tty? ? @output.print("\r\e[K#{line}") : @output.puts(line)
      @output.flush
    end
  end
end
