# frozen_string_literal: true

module Demo
  # Counts durations in microseconds. Below a millisecond exactly, above it to a fifth of a per cent,
  # in a table that does not grow with the number of requests.
  class Histogram
    PRECISION_BITS = 10
    MANTISSA = (1 << PRECISION_BITS) - 1

    attr_reader :count

    def initialize
      @buckets = Hash.new(0)
      @count = 0
    end

    def add(microseconds)
      shift = [microseconds.bit_length - PRECISION_BITS, 0].max
      @buckets[(shift << PRECISION_BITS) | (microseconds >> shift)] += 1
      @count += 1
    end

    # The duration that the given share (0 to 1) of all were not longer than, nil without any.
    def percentile(share)
      wanted = (@count * share).ceil
      @buckets.sort.each do |bucket, count|
        wanted -= count
        return (bucket & MANTISSA) << (bucket >> PRECISION_BITS) unless wanted.positive?
      end
      nil
    end
  end
end
