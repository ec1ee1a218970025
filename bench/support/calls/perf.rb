# frozen_string_literal: true

require "tempfile"

module Bench
  module Calls
    # One counter in the kernel, switched on when it is attached.
    class Perf
      NAME = "perf stat"
      EVENT = "raw_syscalls:sys_enter"
      ATTACH_SECONDS = 5

      def self.usable?
        system("perf", "stat", "-e", EVENT, "true", out: File::NULL, err: File::NULL) == true
      end

      # Attaches to the process and to all threads that it has or will have.
      def initialize(pid)
        @report = Tempfile.new("bench-perf")
        control, @control = IO.pipe
        @answers, answers = IO.pipe
        @pid = Process.spawn("perf", "stat", "-e", EVENT, "-x", ",", "-o", @report.path, "-p", pid.to_s,
                             "-D", "-1", "--control", "fd:#{control.fileno},#{answers.fileno}",
                             control => control, answers => answers, out: File::NULL, err: File::NULL)
        [control, answers].each(&:close)
        switch_on
      end

      # Detaches; the number of calls.
      def finish
        close
        Integer(@report.read[/^(\d+),/, 1] || raise(Child::Failure, "perf stat did not count"))
      end

      def close
        return if @closed

        @closed = true
        Process.kill(:INT, @pid)
        Process.wait(@pid)
        [@control, @answers].each(&:close)
      end

      private

      def switch_on
        @control.puts("enable")
        @control.flush
        return if @answers.wait_readable(ATTACH_SECONDS)

        raise Child::Failure, "perf stat did not attach in time"
      end
    end
  end
end
