# frozen_string_literal: true

require "json"
require "io/wait"
require "tempfile"

require_relative "paths"

module Bench
  # A process that the harness started. It speaks lines: "ready {json}" when it is set up,
  # "result {json}" at its end; the harness tells it "go". Each wait has a deadline, and the process
  # is ended by its pid, so that a contender that hangs costs its own row and nothing else.
  class Child
    # Why a contender has no figures: one sentence.
    Failure = Class.new(StandardError)

    START_SECONDS = 15
    STOP_SECONDS = 5

    attr_reader :pid

    # Yields the running child and never leaves it behind.
    def self.start(command)
      child = new(command)
      yield child
    ensure
      child&.stop
    end

    # Runs a command to its end and answers what it printed.
    def self.capture(command, seconds: START_SECONDS)
      start(command) do |child|
        output = child.rest(seconds)
        raise Failure, child.complaint unless child.success?

        output
      end
    end

    def initialize(command)
      stdin, @input = IO.pipe
      @output, stdout = IO.pipe
      @errors = Tempfile.new("bench")
      @pid = Process.spawn(*command, in: stdin, out: stdout, err: @errors)
      [stdin, stdout].each(&:close)
      @pending = +""
      @status = nil
    end

    # The JSON behind the next line that starts with this word.
    def await(word, seconds: START_SECONDS)
      deadline = now + seconds
      loop do
        line = next_line(deadline) or raise Failure, "ended before it was #{word}: #{complaint}"
        return JSON.parse(line.delete_prefix(word), symbolize_names: true) if line.start_with?("#{word} ")
      end
    end

    def tell(line)
      @input.puts(line)
      @input.flush
    rescue Errno::EPIPE
      raise Failure, complaint
    end

    # All that is still to come.
    def rest(seconds)
      deadline = now + seconds
      nil while fill(deadline)
      wait(deadline - now)
      @pending
    end

    # The line is for those who do not hear the signal.
    def terminate
      return if @status

      @input.puts("stop")
      @input.flush
    rescue Errno::EPIPE
      nil # most do not read it
    ensure
      Process.kill(:TERM, @pid) unless @status
    end

    def wait(seconds = STOP_SECONDS)
      deadline = now + seconds
      until @status || reap
        return false if now > deadline

        sleep 0.002
      end
      true
    end

    def success? = @status&.success?

    # TERM first, for a server has a result to tell; then KILL.
    def stop
      %i[TERM KILL].each do |signal|
        break if @status || reap

        Process.kill(signal, @pid)
        wait
      end
      [@input, @output].each(&:close)
      @errors.close!
    end

    # Where a Ruby error was raised: a path of this machine, which no report needs.
    BACKTRACE = /\A\S+:\d+:in [`'].*?': /

    # The line of its standard error that says most, without where the project lies here: results are
    # shown to others.
    def complaint
      wait(0.5)
      lines = File.readlines(@errors.path, chomp: true).reject { |line| line.strip.empty? }
      said = lines.grep(/Error|error:|: /).first || lines.first
      [said&.sub(BACKTRACE, "")&.gsub("#{Paths::ROOT}/", ""), outcome].compact.join("; ")
    end

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    def reap
      _, @status = Process.wait2(@pid, Process::WNOHANG)
      @status
    end

    def outcome
      return "still running" unless @status

      @status.signaled? ? "killed by SIG#{Signal.signame(@status.termsig)}" : "exit #{@status.exitstatus}"
    end

    def next_line(deadline)
      until (line = @pending.slice!(/\A[^\n]*\n/))
        return nil unless fill(deadline)
      end
      line.chomp
    end

    def fill(deadline)
      remaining = deadline - now
      late = !remaining.positive? || !@output.wait_readable(remaining)
      raise Failure, "no answer in time; #{complaint}" if late

      @pending << @output.readpartial(65_536)
    rescue EOFError
      nil
    end
  end
end
