# frozen_string_literal: true

require_relative "calls"
require_relative "child"
require_relative "contender"
require_relative "foreign"
require_relative "instructions"
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

    attr_reader :key, :title, :operation, :cases, :warmup

    # One paragraph on how it is measured, for the report.
    attr_reader :method

    # `answered_by` is the folder of its contenders, where several questions share them; `warmup` the
    # seconds that it needs at least.
    def initialize(key, title:, operation:, cases:, method:, answered_by: key, warmup: 0)
      @key = key
      @warmup = warmup
      @folder = answered_by
      @title = title
      @operation = operation
      @cases = cases
      @method = method
      Question.known << self
    end

    def contenders
      @contenders ||= contender_files.flat_map { |path| Contender.load(path).all }
    end

    # nil, or one sentence that says why it cannot be asked here.
    def missing = nil

    # Around all runs: what they need beside the contenders.
    def surround = yield

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

    # Instructions outside the kernel per operation, by part: in the window where the contender can
    # tell when that is, else over all of a run.
    def instructions_per_operation(contender, params)
      raw = nil
      parts = Instructions.count do |wrapper, switch_on|
        raw = measure(contender, params.merge(Instructions::SECONDS), wrapper) do |pid|
          switch_on.call(pid) unless tells_window?(contender)
        end
      end
      parts.transform_values { |count| count.fdiv(raw.fetch(tells_window?(contender) ? :ops : :total_ops)) }
    end

    private

    def tells_window?(_contender) = false

    # Names that begin with an underscore are what the contenders of a folder share.
    def contender_files
      Dir[File.join(Paths::CONTENDERS, @folder, "*.rb")].sort.reject { |path| File.basename(path).start_with?("_") }
    end
  end
end
