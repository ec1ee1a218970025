# frozen_string_literal: true

module Demo
  # How far the load has come: one line that changes on a terminal, a line a second elsewhere.
  class Progress
    WIDTH = 24

    def initialize(output, seconds)
      @output = output
      @seconds = seconds
      @next_line_at = 0
    end

    def show(elapsed:, requests:, errors:)
      text = line(elapsed, requests, errors)
      return @output.print("\r\e[K#{text}") if @output.tty?
      return if elapsed < @next_line_at

      @next_line_at += 1
      @output.puts(text)
    end

    def clear
      @output.print("\r\e[K") if @output.tty?
    end

    private

    def line(elapsed, requests, errors)
      rate = elapsed.positive? ? requests / elapsed : 0
      format("%s %4.1f s  %s requests  %s/s  %d errors",
             bar(elapsed), elapsed, Demo.grouped(requests), Demo.grouped(rate), errors)
    end

    def bar(elapsed)
      done = (WIDTH * elapsed / @seconds).floor.clamp(0, WIDTH)
      "[#{"=" * done}#{" " * (WIDTH - done)}]"
    end
  end
end
