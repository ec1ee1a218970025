# frozen_string_literal: true

require_relative "../test_helper"

class TimingTest < RotaTest
  def test_after_runs_the_block_and_has_its_result
    assert_equal :late, Rota.run { Rota.after(0.005) { :late }.await }
  end

  def test_after_a_negative_time_is_at_once
    assert_equal 1, Rota.run { Rota.after(-1) { 1 }.await }
  end

  def test_every_calls_first_after_one_interval
    calls = Rota.run do
      calls = 0
      Rota.move_on_after(0.001) { Rota.every(10) { calls += 1 } }
      calls
    end
    assert_equal 0, calls
  end

  def test_every_ends_with_stop_iteration
    calls = 0
    Rota.run { Rota.every(0.001) { raise StopIteration if (calls += 1) == 3 } }
    assert_equal 3, calls
  end

  # The grid of ticks does not move: behind a slow block the next tick is on it, and none is made up.
  def test_every_skips_ticks_and_keeps_the_grid
    ticks = Rota.run do
      start = clock
      ticks = []
      Rota.every(0.02) do
        ticks << ((clock - start) / 0.02)
        Rota.sleep(0.05) if ticks.size == 1
        raise StopIteration if ticks.size == 3
      end
      ticks
    end
    assert_operator ticks[1].floor - ticks[0].floor, :>=, 3
    ticks.each { |tick| assert_operator tick, :>=, tick.floor }
  end

  def test_every_refuses_an_interval_of_zero
    Rota.run { assert_raises(ArgumentError) { Rota.every(0) { nil } } }
  end

  def test_throttled_loop_counts
    calls = 0
    assert_nil(Rota.run { Rota.throttled_loop(interval: 0.001, count: 4) { calls += 1 } })
    assert_equal 4, calls
  end

  def test_throttled_loop_needs_a_rate
    Rota.run { assert_raises(ArgumentError) { Rota.throttled_loop { nil } } }
  end

  def test_spin_loop_ends_with_break_and_its_value
    count = 0
    result = Rota.run do
      Rota.spin_loop do
        break :enough if (count += 1) == 5
      end.await
    end
    assert_equal [5, :enough], [count, result]
  end

  def test_spin_loop_ends_with_stop_iteration
    count = 0
    assert_nil(Rota.run { Rota.spin_loop { (count += 1) < 3 or raise StopIteration }.await })
    assert_equal 3, count
  end

  def test_spin_loop_with_an_interval_breaks_too
    count = 0
    result = Rota.run do
      Rota.spin_loop(interval: 0.001) do
        break count if (count += 1) == 3
      end.await
    end
    assert_equal 3, result
  end

  def test_a_failure_in_a_spin_loop_is_the_tasks
    Rota.run { assert_raises(KeyError) { Rota.spin_loop { raise KeyError }.await } }
  end

  def test_what_is_no_number_is_refused_at_once
    Rota.run do
      calls = { after: ["1"], every: [nil], throttled_loop: ["1"] }
      calls.each { |name, arguments| assert_raises(TypeError, name.to_s) { Rota.send(name, *arguments) { flunk } } }
      assert_raises(ArgumentError) { Rota.after(Float::NAN) { flunk } }
      assert_raises(TypeError) { Rota.throttled_loop(1, count: "1") { flunk } }
      assert_raises(TypeError) { Rota.spin_loop(interval: "1") { flunk } }
      assert_raises(ArgumentError) { Rota.spin_loop(rate: 0) { flunk } }
      assert_raises(ArgumentError) { Rota.spin_loop(rate: 1, interval: 1) { flunk } }
      assert_empty Rota.current.children
    end
  end

  private

  def clock = Process.clock_gettime(Process::CLOCK_MONOTONIC)
end
