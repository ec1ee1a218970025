# frozen_string_literal: true

require "test_helper"
require_relative "../support/random_tree"

# A random tree of tasks in each of several threads, whose members await, schedule, raise in, cancel,
# stop and terminate those of the others; and threads without a loop that do the same to all of them.
# ROTA_HOSTILE_SECONDS makes it longer, ROTA_SEED repeats its choices.
class ThreadsTest < RotaTest
  SECONDS = Float(ENV.fetch("ROTA_HOSTILE_SECONDS", "2"))
  time_limit 120 + (2 * SECONDS)

  TREES = 3
  MEDDLERS = 2

  def test_every_task_ends_once
    random = Random.new(seed)
    trees = Array.new(TREES) { RandomTree.new(Random.new(random.rand(1 << 30)), *socket_pair) }
    trees.each { |tree| tree.neighbours = trees - [tree] }
    growing = trees.map { |tree| Thread.new { live(tree) } }
    meddling = Array.new(MEDDLERS) { |i| Thread.new { meddle(trees, Random.new(seed + i)) } }
    assert_empty growing.flat_map(&:value), "seed #{seed}"
    assert_empty trees.flat_map(&:faults), "seed #{seed}"
    meddling.each(&:join)
  end

  private

  def seed = @seed ||= Integer(ENV.fetch("ROTA_SEED", Minitest.seed))

  def until_the_end
    deadline = now + SECONDS
    yield while now < deadline
  end

  # What is left in flight at the end.
  def live(tree)
    Rota.run do
      until_the_end { tree.calmly { Rota.sleep(0.0005) } && tree.grow }
      tree.fell
      Leaks.in_flight(Rota.loop.stats)
    end
  end

  def meddle(trees, random)
    until_the_end do
      task = trees.sample(random: random).member(random)
      case task && random.rand(6)
      when 0 then task.schedule(1)
      when 1 then task.raise(KeyError)
      when 2 then task.cancel
      when 3 then task.stop
      when 4 then task.terminate
      when 5 then task << :message
      end
      sleep(random.rand * 0.002)
    end
  end

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
end
