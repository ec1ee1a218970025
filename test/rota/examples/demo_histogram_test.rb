# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../../tool/demo/histogram"

class DemoHistogramTest < RotaTest
  def test_against_the_sorted_list
    random = Random.new(7)
    durations = Array.new(10_000) { (10**random.rand(1.0..6.5)).to_i }
    histogram = Demo::Histogram.new
    durations.each { |duration| histogram.add(duration) }
    sorted = durations.sort
    [0.001, 0.1, 0.5, 0.9, 0.99, 1].each do |share|
      exact = sorted[(share * durations.size).ceil - 1]
      assert_in_delta exact, histogram.percentile(share), exact / 500.0
    end
  end

  def test_nothing
    assert_nil Demo::Histogram.new.percentile(0.5)
  end
end
