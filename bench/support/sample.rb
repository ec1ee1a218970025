# frozen_string_literal: true

module Bench
  # The figures of one run, per operation.
  class Sample
    # Above this share of foreign load a run says more about the others than about the contender.
    NOISY = 0.08

    attr_reader :foreign

    # What a runtime counted itself, divided by the operations.
    COUNTED = %i[allocations enters entries switches].freeze

    def initialize(raw, foreign:)
      @raw = raw
      @foreign = foreign
    end

    def quiet? = foreign <= NOISY

    # nil where the contender cannot tell.
    def [](metric)
      case metric
      when :cpu_ns then per_operation(:cpu_ns)
      when :ops_per_s then @raw[:ops] * 1e9 / @raw[:wall_ns]
      when *COUNTED then per_operation(metric)
      else @raw[metric]
      end
    end

    private

    def per_operation(name)
      @raw[name]&.fdiv(@raw[:ops])
    end
  end
end
