# frozen_string_literal: true

require "optparse"

module Bench
  # The command line. Every number is bounded, so that a run ends.
  class Options
    QUICK = { rounds: 2, seconds: 0.25, warmup: 0.1, count_calls: false }.freeze
    BOUNDS = { rounds: 1..50, seconds: 0.05..60.0, warmup: 0.0..60.0 }.freeze

    attr_reader :names, :rounds, :seconds, :warmup, :only, :overrides

    def initialize(arguments)
      @command_line = arguments.dup
      @rounds = 3
      @seconds = 0.4
      @warmup = 0.15
      @count_calls = @save = true
      @list = @count_instructions = @missing = false
      @only = nil
      @overrides = {}
      @names = parser.parse(arguments)
      check_bounds
    end

    def count_calls? = @count_calls
    def count_instructions? = @count_instructions
    def save? = @save
    def list? = @list

    # Only what was not measured yet.
    def missing? = @missing

    def command = ["bench/run", *@command_line].join(" ")

    private

    def parser
      OptionParser.new do |opts|
        opts.banner = "Usage: bench/run [options] [question ...]"
        define_measuring(opts)
        define_choosing(opts)
      end
    end

    def define_measuring(opts)
      opts.on("--rounds N", Integer, "measured rounds, interleaved (default 3)") { |n| @rounds = n }
      opts.on("--seconds S", Float, "length of a measured window (default 0.4)") { |s| @seconds = s }
      opts.on("--warmup S", Float, "warm-up before each window (default 0.15)") { |s| @warmup = s }
      opts.on("--quick", "a look in seconds: 2 rounds of 0.25 s, calls not counted") { go_quick }
      opts.on("--[no-]instructions", "count instructions under callgrind, in a round of its own (default no)") do |on|
        @count_instructions = on
      end
      opts.on("--[no-]calls", "count system calls in a round of its own") { |on| @count_calls = on }
    end

    def define_choosing(opts)
      opts.on("--only A,B", Array, "only these contenders") { |keys| @only = keys }
      opts.on("--set KEY=N", "change a parameter of every case, as pairs=8") { |text| set(text) }
      opts.on("--missing", "only questions without a saved result of this code on these Rubies") { @missing = true }
      opts.on("--no-save", "do not write bench/results") { @save = false }
      opts.on("--list", "list questions and contenders") { @list = true }
    end

    def go_quick
      @rounds, @seconds, @warmup, @count_calls = QUICK.values_at(:rounds, :seconds, :warmup, :count_calls)
    end

    def set(text)
      key, number = text.split("=", 2)
      @overrides[key.to_sym] = Integer(number)
    rescue ArgumentError, TypeError
      raise OptionParser::InvalidArgument, "#{text} (expected KEY=NUMBER)"
    end

    def check_bounds
      BOUNDS.each do |name, range|
        value = instance_variable_get("@#{name}")
        next if range.cover?(value)

        raise OptionParser::InvalidArgument, "--#{name} #{value} (from #{range.min} to #{range.max})"
      end
    end
  end
end
