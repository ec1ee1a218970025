# frozen_string_literal: true

require "time"

module HTTP
  # The Date field, which every response carries and which changes once a second.
  class DateLine
    def initialize
      @second = nil
    end

    def to_s
      now = Process.clock_gettime(Process::CLOCK_REALTIME, :second)
      return @line if now == @second

      @second = now
      @line = "Date: #{Time.at(now).httpdate}\r\n"
    end
  end
end
