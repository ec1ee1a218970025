# frozen_string_literal: true

require_relative "calls"
require_relative "child"
require_relative "entry"
require_relative "progress"

module Bench
  # One question, measured: every round runs every case with every contender, so that a slow minute of
  # the machine falls on all of them; the order moves on by one from round to round.
  class Session
    # Of the machine in the last minute, before and after.
    attr_reader :load_averages

    attr_reader :question, :cases, :skipped

    def initialize(question, options)
      @question = question
      @options = options
      @skipped = {}
      @cases = question.cases_with(options.overrides)
      @entries = chosen.to_h { |contender| [contender, cases.to_h { |params| [params, Entry.new] }] }
    end

    def run
      before = Session.load_average
      question.surround { measure }
      @load_averages = [before, Session.load_average]
      self
    end

    # Beside the window: starting, setting up and ending a process.
    SECONDS_AROUND = 0.3

    # A count needs less time than a clock.
    COUNTING_SECONDS = 0.2

    # How long `run` will take, about.
    def seconds
      around = [@options.warmup, question.warmup].max + SECONDS_AROUND
      windows = (@options.rounds * @options.seconds) + ((rounds - @options.rounds) * counting_seconds)
      @entries.size * cases.size * ((rounds * around) + windows)
    end

    def contenders = @entries.keys
    def entry(contender, params) = @entries.fetch(contender).fetch(params)

    def failed?
      contenders.any? { |contender| cases.any? { |params| entry(contender, params).failure } }
    end

    def count_instructions? = @options.count_instructions? && Instructions.usable?
    def count_calls? = @options.count_calls? && Calls.tool

    private

    def rounds = @options.rounds + [count_calls?, count_instructions?].count(&:itself)

    def counting_seconds = [@options.seconds, COUNTING_SECONDS].min

    def measure
      @progress = Progress.new(@entries.size * cases.size * rounds)
      @options.rounds.times { |round| each_run(round, "round #{round + 1}/#{@options.rounds}", &method(:sample)) }
      each_run(0, "counting system calls", &method(:count)) if count_calls?
      each_run(0, "counting instructions", &method(:count_instructions)) if count_instructions?
      @progress.finish
    end

    def chosen
      wanted = question.contenders
      wanted = wanted.select { |contender| @options.only.include?(contender.key) } if @options.only
      wanted.reject do |contender|
        contender.missing&.tap { |sentence| @skipped[contender] = sentence }
      end
    end

    def each_run(round, phase)
      cases.each do |params|
        contenders.rotate(round).each do |contender|
          entry = entry(contender, params)
          if entry.failure
            @progress.drop(1)
          else
            @progress.step("#{question.key} #{Session.name_of(params)}: #{phase}, #{contender.label}") do
              guard(entry) { yield entry, contender, params }
            end
          end
        end
      end
    end

    def guard(entry)
      yield
    rescue Child::Failure => e
      entry.failure = e.message
    end

    def sample(entry, contender, params)
      sample = question.run(contender, timed(params, @options.seconds))
      raise Child::Failure, "no operation ended within the window" if sample[:ops].zero?

      entry.samples << sample
    end

    def count(entry, contender, params)
      entry.calls = question.calls_per_operation(contender, timed(params, counting_seconds))
    end

    def count_instructions(entry, contender, params)
      entry.instructions = question.instructions_per_operation(contender, timed(params, 0))
    end

    def timed(params, seconds)
      params.merge(seconds: seconds, warmup: [@options.warmup, question.warmup].max)
    end

    class << self
      def load_average = File.read("/proc/loadavg").split.first
      def name_of(params) = params.map { |key, value| "#{key}=#{value}" }.join(" ")
    end
  end
end
