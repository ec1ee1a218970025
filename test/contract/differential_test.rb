# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/differential"

# Rota::Stream reads as MRI's IO does, whatever is asked in whatever order. A failure prints its seed and
# the smallest case; ROTA_DIFFERENTIAL_SEED runs that one alone, ROTA_HOSTILE_SECONDS says for how long
# others are tried.
class DifferentialTest < RotaTest
  time_limit 3600

  SECONDS = Float(ENV.fetch("ROTA_HOSTILE_SECONDS", "2"))
  BATCH = 50

  def test_reads_as_io_does
    seeds.each do |batch|
      cases = batch.map { |seed| [seed, Differential::Generator.new(seed).call] }
      answers = Rota.run { cases.map { |_seed, one| Differential.ours(one) } }
      cases.zip(answers) { |(seed, one), ours| assert_same(seed, one, ours) }
    end
  end

  private

  def seeds
    alone = ENV["ROTA_DIFFERENTIAL_SEED"]
    return [[Integer(alone)]].each if alone

    first = Integer(ENV.fetch("ROTA_SEED", Minitest.seed)) * 1_000_000
    ends_at = now + SECONDS
    (0..).lazy.map { |i| Array.new(BATCH) { |j| first + (i * BATCH) + j } }.take_while { now < ends_at }
  end

  def assert_same(seed, one, ours)
    return pass unless Differential.compare(one, ours)

    small = Differential.shrink(one)
    flunk "seed #{seed}: #{small.inspect}\n#{Differential.difference(small) || 'not every time'}"
  end

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
end
