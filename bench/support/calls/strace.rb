# frozen_string_literal: true

require "tempfile"

module Bench
  module Calls
    # The summary of strace -c: right in its ratios only for contenders that do not batch.
    class Strace
      NAME = "strace -c"
      ATTACH_SECONDS = 5

      def self.usable?
        system("strace", "-c", "true", out: File::NULL, err: File::NULL) == true
      end

      def initialize(pid)
        @report = Tempfile.new("bench-strace")
        messages, writer = IO.pipe
        @pid = Process.spawn("strace", "-f", "-c", "-o", @report.path, "-p", pid.to_s,
                             out: File::NULL, err: writer)
        writer.close
        await_attached(messages)
      end

      def finish
        close
        # % time, seconds, usecs/call, calls, [errors], "total"
        total = @report.read[/^.*\btotal$/] or raise Child::Failure, "strace did not count"
        Integer(total.split[3])
      end

      def close
        return if @closed

        @closed = true
        Process.kill(:INT, @pid)
        Process.wait(@pid)
        @messages.close
      end

      private

      # "strace: Process 123 attached" comes once per thread; the pipe stays open for the later ones.
      def await_attached(messages)
        @messages = messages
        return if messages.wait_readable(ATTACH_SECONDS) && messages.gets.include?("attached")

        raise Child::Failure, "strace did not attach in time"
      end
    end
  end
end
