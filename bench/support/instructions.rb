# frozen_string_literal: true

require "tempfile"
require_relative "child"

module Bench
  # Counts the instructions that a process executes outside the kernel, under callgrind and in a round of
  # its own: fifty times slower, but the same number on a busy machine, tomorrow, and elsewhere.
  class Instructions
    # A window that is not over before there is something to count.
    SECONDS = { warmup: 0.5, seconds: 1.5 }.freeze

    # How a report calls the parts: by the object file that the instructions are in.
    PARTS = { "Rota" => %r{/rota\.so\z}, "Ruby" => %r{/libruby[^/]*\z|/ruby[\d.]*\z},
              "C library" => %r{/libc[.-]} }.freeze

    # Set for a process that is to switch the counting on and off itself, at the ends of its window.
    VARIABLE = "BENCH_CALLGRIND"

    class << self
      def usable?
        return @usable unless @usable.nil?

        @usable = system("callgrind_control", "--version", out: File::NULL, err: File::NULL) == true &&
                  system("valgrind", "--version", out: File::NULL, err: File::NULL) == true
      end

      # The block measures; it is given what to put before the command, and calls what it is given
      # back with the process when that is set up. Answers the instructions by part.
      def count
        Tempfile.create("bench-callgrind") do |file|
          yield ["env", "#{VARIABLE}=1", "valgrind", "--tool=callgrind", "--instr-atstart=no",
                 "--callgrind-out-file=#{file.path}"],
                method(:switch_on)
          by_part(File.foreach(file.path))
        end
      end

      private

      def switch_on(pid)
        system("callgrind_control", "-i", "on", pid.to_s, out: File::NULL, err: File::NULL) or
          raise Child::Failure, "callgrind_control did not reach the process"
      end

      # The format: "ob=(3) /lib/x.so" at first, "ob=(3)" later; a line of numbers is a place and its own
      # cost, except behind "calls=", where the cost is the callee's and was counted there.
      def by_part(lines)
        names = {}
        parts = Hash.new(0)
        object = called = nil
        lines.each do |line|
          case line
          when /\Aob=\((\d+)\)(?: (.+))?/ then object = (names[$1] ||= part($2))
          when /\Acob=\((\d+)\) (.+)/ then names[$1] ||= part($2)
          when /\Acalls=/ then called = true
          when /\A[+\-*\d]\S* (\d+)/
            parts[object] += $1.to_i unless called
            called = false
          end
        end
        parts
      end

      def part(path) = PARTS.find { |_, pattern| pattern.match?(path) }&.first || "others"
    end
  end
end
