# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Rota.sleep, snooze and suspend.
class SleepTest < RotaTest
  def test_returns_whole_seconds_as_an_integer
    assert_equal [0, Integer], Rota.run { [slept = Rota.sleep(0.001), slept.class] }
  end

  def test_is_not_over_before_its_time
    elapsed = Rota.run do
      start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      Rota.sleep(0.02)
      Process.clock_gettime(Process::CLOCK_MONOTONIC) - start
    end
    assert_operator elapsed, :>=, 0.02
  end

  def test_shorter_sleeps_end_first
    order = Rota.run do
      seen = []
      [3, 1, 2].map { |i| Rota.spin { Rota.sleep(i * 0.01).then { seen << i } } }.each(&:await)
      seen
    end
    assert_equal [1, 2, 3], order
  end

  def test_takes_integers_floats_and_rationals
    Rota.run { [0, 0.001, Rational(1, 1000)].each { |time| assert_equal 0, Rota.sleep(time) } }
  end

  def test_refuses_negative_times
    Rota.run { assert_raises(ArgumentError) { Rota.sleep(-1) } }
  end

  def test_refuses_what_is_no_number
    Rota.run { assert_raises(TypeError) { Rota.sleep("1") } }
  end

  def test_refuses_nan
    Rota.run { assert_raises(ArgumentError, FloatDomainError) { Rota.sleep(Float::NAN) } }
  end

  def test_a_time_beyond_all_clocks_is_no_error
    assert_equal :left, Rota.run { Rota.move_on_after(0.001, with_value: :left) { Rota.sleep(1e300) } }
  end

  def test_infinity_is_no_error
    assert_equal :left, Rota.run { Rota.move_on_after(0.001, with_value: :left) { Rota.sleep(Float::INFINITY) } }
  end

  def test_without_a_time_until_it_is_scheduled
    assert_equal :value, Rota.run { waiting { Rota.sleep }.schedule(:value).await }
  end

  def test_can_be_cut_short_by_schedule
    assert_equal :value, Rota.run { waiting { Rota.sleep(60) }.schedule(:value).await }
  end

  def test_zero_lets_everybody_run_once
    order = Rota.run do
      seen = []
      Rota.spin { seen << 1 }
      Rota.spin { seen << 2 }
      Rota.sleep(0)
      seen << 3
    end
    assert_equal [1, 2, 3], order
  end

  def test_zero_makes_no_system_call
    enters = Rota.run do
      before = Rota.loop.stats[:enters]
      5.times { Rota.sleep(0) }
      Rota.loop.stats[:enters] - before
    end
    assert_equal 0, enters
  end

  def test_a_sleep_needs_no_entry_of_the_queue
    entries = Rota.run do
      Rota.sleep(0.001)
      before = Rota.loop.stats[:entries]
      10.times.map { Rota.spin { Rota.sleep(0.002) } }.each(&:await)
      Rota.loop.stats[:entries] - before
    end
    assert_equal 0, entries
  end

  def test_snooze_lets_everybody_run_once
    order = Rota.run do
      seen = []
      Rota.spin { 2.times { |i| seen.push([:task, i]) && Rota.snooze } }
      2.times { |i| seen.push([:root, i]) && Rota.snooze }
      seen
    end
    assert_equal [[:root, 0], [:task, 0], [:root, 1], [:task, 1]], order
  end

  def test_snooze_alone_returns
    assert_nil Rota.run { Rota.snooze }
  end

  def test_snooze_is_a_switchpoint
    Rota.run do
      task = waiting { loop { Rota.snooze } }
      task.raise(KeyError)
      assert_raises(KeyError) { task.await }
    end
  end

  def test_a_schedule_during_a_snooze_does_not_reach_a_later_suspend
    got = Rota.run do
      task = waiting { Rota.snooze.then { Rota.move_on_after(0.003, with_value: :none) { Rota.suspend } } }
      task.schedule(:early)
      task.await
    end
    assert_equal :none, got
  end

  # A wake-up names one wait: that of a sleep that was cut short reaches no later one.
  def test_the_alarm_of_a_cut_sleep_does_not_end_a_later_wait
    got = Rota.run do
      task = waiting do
        Rota.sleep(0.005)
        Rota.move_on_after(0.02, with_value: :undisturbed) { Rota.suspend }
      end
      task.schedule
      task.await
    end
    assert_equal :undisturbed, got
  end

  def test_many_sleeps_leave_no_timer
    armed = Rota.run do
      tasks = Array.new(300) { |i| Rota.spin { Rota.sleep(i.even? ? 60 : 0.001) } }
      Rota.sleep(0.002)
      tasks.each(&:stop).each(&:await)
      Rota.loop.stats[:timers_armed]
    end
    assert_equal 0, armed
  end
end
