# frozen_string_literal: true

module Bench
  # Few rounds on a busy machine: the median is what to compare, the spread says how far to trust it.
  module Statistics
    module_function

    def median(values)
      sorted = values.compact.sort
      return nil if sorted.empty?

      middle = sorted.size / 2
      sorted.size.odd? ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2.0
    end

    # From the smallest to the largest, relative to the median.
    def spread(values)
      middle = median(values)
      middle&.positive? ? (values.compact.max - values.compact.min) / middle.to_f : nil
    end
  end
end
