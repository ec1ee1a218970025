# frozen_string_literal: true

require "test_helper"

# Done ten thousand times nothing has grown.
class LeaksTest < RotaTest
  time_limit 300

  TIMES = ENV["ROTA_FULL"] == "1" ? 10_000 : 2000

  def test_entering_and_leaving
    assert_flat(TIMES) { Rota.run { nil } }
  end

  def test_entering_and_leaving_with_tasks
    assert_flat(TIMES / 2) { Rota.run { Rota.spin { Rota.snooze } } }
  end

  def test_entering_and_leaving_with_io
    reader, writer = socket_pair
    assert_flat(TIMES / 2) { Rota.run { Rota.loop.write(writer, "x") && Rota.loop.read(reader, 1) } }
  end

  def test_entering_and_leaving_with_a_read_in_flight
    reader, = socket_pair
    assert_flat(TIMES / 2) { Rota.run { waiting { Rota.loop.read(reader, 1) }.terminate } }
  end

  def test_entering_and_leaving_by_an_exception
    assert_flat(TIMES / 2) { caught(KeyError) { Rota.run { waiting && raise(KeyError) } } }
  end

  def test_runs_of_threads
    assert_flat(TIMES / 10) { Thread.new { Rota.run { Rota.spin { Rota.snooze } } }.join }
  end

  def test_processes_that_end_and_that_are_ended
    Rota.run do
      assert_flat(TIMES / 40) do
        Rota.capture("echo a; echo b >&2")
        Rota.spawn("sleep 10", in: :pipe, out: :pipe).terminate
      end
    end
  end

  def test_traps
    assert_flat(TIMES / 2) { Rota.run { Rota.trap(:USR1) { nil } } }
  end

  def test_deadlines_that_fire
    Rota.run { assert_flat(TIMES) { Rota.move_on_after(0) { Rota.suspend } } }
  end

  def test_reads_that_are_cancelled
    reader, = socket_pair
    Rota.run { assert_flat(TIMES) { Rota.move_on_after(0) { Rota.loop.read(reader, 10) } } }
  end

  def test_reads_that_are_cancelled_in_flight
    reader, = socket_pair
    Rota.run { assert_flat(TIMES) { waiting { Rota.loop.read(reader, 10) }.stop.await } }
  end

  def test_enumerators_that_are_dropped
    Rota.run {
      assert_flat(TIMES, maps_limit: 16_000) {
        Enumerator.new { |y|
          Rota.move_on_after(60) {
            y << 1
          }
        }.next
      }
    }
  end

  def test_visits_of_parked_tasks
    Rota.run do
      task = waiting
      assert_flat(TIMES) { task.fiber.transfer }
      task.stop
    end
  end

  def test_scopes
    Rota.run { assert_flat(TIMES) { Rota.spin_scope { Rota.spin { nil } } } }
  end

  private

  # The first part warms up: pools, caches, the heap's own growth.
  # maps: stacks that were freed stay in Ruby's pool
  def assert_flat(times, maps_limit: 3000, &block)
    (times / 4).times(&block)
    before = look
    times.times(&block)
    after = look
    descriptors, maps, rss = after.zip(before).map { |now, then_| now - then_ }
    assert_equal 0, descriptors, "descriptors"
    assert_operator maps, :<, maps_limit, "memory maps"
    assert_operator rss, :<, 40_000, "KiB"
  end

  def look
    GC.start
    [Leaks.descriptors.size, memory_maps, memory]
  end
end
