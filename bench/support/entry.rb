# frozen_string_literal: true

require_relative "statistics"

module Bench
  # What one contender did in one case: its samples, or the sentence that says why there are none.
  class Entry
    ENOUGH = 2

    attr_reader :samples
    attr_accessor :calls, :instructions, :failure

    def initialize
      @samples = []
    end

    def measured? = samples.any? && !failure
    def median(metric) = Statistics.median(values(metric))
    def spread(metric) = Statistics.spread(values(metric))

    # The smallest and the largest.
    def range(metric) = values(metric).minmax

    # The quiet runs, if they are enough to take a median of.
    def used
      quiet = samples.select(&:quiet?)
      quiet.size >= ENOUGH ? quiet : samples
    end

    private

    def values(metric) = used.map { |sample| sample[metric] }
  end
end
