# frozen_string_literal: true

require "test_helper"
require_relative "../support/random_tree"

# A tree of tasks that do to each other whatever the contract allows (support/random_tree.rb): every
# task ends once, and nothing is left.
class RandomCancelTest < RotaTest
  time_limit 120

  SECONDS = Float(ENV.fetch("ROTA_HOSTILE_SECONDS", "2"))

  def test_every_task_ends_once
    storm(entries: nil)
  end

  def test_every_task_ends_once_with_a_ring_of_two
    storm(entries: 2)
  end

  def test_every_task_ends_once_without_features
    storm(without: %i[registered_files defer_taskrun])
  end

  def test_every_task_ends_once_beside_another_thread
    stop = false
    thread = Thread.new { sleep(0.001) until stop }
    storm(entries: nil)
  ensure
    stop = true
    thread&.join
  end

  private

  def seed = @seed ||= Integer(ENV.fetch("ROTA_SEED", Minitest.seed))

  def storm(**options)
    tree = RandomTree.new(Random.new(seed), *socket_pair)
    at_rest = Rota.run(**options.compact) do
      deadline = now + SECONDS
      while now < deadline
        tree.calmly { Rota.sleep(0.0005) }
        tree.grow
      end
      tree.fell
      Leaks.in_flight(Rota.loop.stats)
    end
    assert_empty tree.faults, "seed #{seed}"
    assert_empty at_rest, "seed #{seed}"
  end

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
end
