# frozen_string_literal: true

require_relative "statistics"

module Bench
  # What one contender did in one case: its samples, or the sentence that says why there are none.
  class Entry
    attr_reader :samples
    attr_accessor :calls, :failure

    def initialize
      @samples = []
    end

    def measured? = samples.any? && !failure
    def median(metric) = Statistics.median(values(metric))
    def spread(metric) = Statistics.spread(values(metric))

    private

    def values(metric) = samples.map { |sample| sample[metric] }
  end
end
