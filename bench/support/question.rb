# frozen_string_literal: true

require_relative "calls"
require_relative "child"
require_relative "contender"
require_relative "foreign"
require_relative "pinning"
require_relative "sample"

module Bench
  # What is asked: a title, the operation that is counted, the cases, and how one contender is run
  # once. A question is one file in bench/questions that registers one object.
  class Question
    class << self
      def known = @known ||= []

      def load_all
        Dir[File.join(Paths::QUESTIONS, "*.rb")].sort.each { |path| require path }
        known
      end
    end

    attr_reader :key, :title, :operation, :cases

    # One paragraph on how it is measured, for the report.
    attr_reader :method

    def initialize(key, title:, operation:, cases:, method:)
      @key = key
      @title = title
      @operation = operation
      @cases = cases
      @method = method
      Question.known << self
    end

    def contenders
      @contenders ||= Dir[File.join(Paths::CONTENDERS, key, "*.rb")].sort.map { |path| Contender.load(path).new }
    end

    # The cases with the overridden parameters, which may make some of them equal.
    def cases_with(overrides)
      cases.map { |params| params.merge(overrides.slice(*params.keys)) }.uniq
    end

    # One measured run.
    def run(contender, params)
      raw, foreign = Foreign.watch { measure(contender, params) { |_pid| nil } }
      Sample.new(raw, foreign: foreign)
    end

    # System calls per operation, over all of a run.
    def calls_per_operation(contender, params)
      counter = nil
      raw = measure(contender, params) { |pid| counter = Calls.tool.new(pid) }
      counter.finish.fdiv(raw.fetch(:total_ops))
    ensure
      counter&.close
    end
  end
end
