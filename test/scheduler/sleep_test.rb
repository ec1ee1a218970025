# frozen_string_literal: true

require "test_helper"
require_relative "../support/cooperation"

class SchedulerSleepTest < RotaTest
  include Cooperation

  as_ruby(:a_fraction) { sleep(0.02).between?(0, 1) }
  as_ruby(:a_rational) { sleep(Rational(1, 50)).between?(0, 1) }
  as_ruby(:zero, waits: false) { sleep(0) }
  as_ruby(:a_negative_time, waits: false) { sleep(-1) }
  as_ruby(:a_negative_fraction, waits: false) { sleep(-0.5) }
  as_ruby(:what_is_no_number, waits: false) { sleep("1") }
  as_ruby(:two_arguments, waits: false) { class_of_error { sleep(1, 2) } }

  def test_whole_seconds_are_returned
    assert_includes([1, 2], Rota.run { Rota.spin { sleep(1) }.await })
  end

  # In turn, and without entering the kernel.
  def test_zero_lets_everybody_run_once
    log = []
    Rota.run do
      2.times { |i| Rota.spin { 3.times { log << i and sleep(0) } } }
    end
    assert_equal [0, 1] * 3, log
  end

  def test_without_end_until_scheduled
    Rota.run do
      task = Rota.spin { sleep }
      sleep(0.001)
      assert_equal "a sleep", task.waits_for
      task.schedule
      assert_kind_of Integer, task.await
    end
  end

  def test_nil_has_no_end
    Rota.run do
      task = Rota.spin { sleep(nil) }
      sleep(0.001)
      assert_predicate task, :alive?
      task.terminate
      assert_nil task.await
    end
  end

  # Whoever sleeps for good is waiting on purpose.
  def test_a_sleep_without_end_is_no_deadlock
    Rota.run do
      task = Rota.spin { sleep }
      assert_raises(Rota::TimeoutError) { task.await(0.01) }
      task.stop
    end
  end

  def test_an_interrupted_sleep
    Rota.run do
      task = Rota.spin { sleep(5) }
      sleep(0.001)
      task.raise(ArgumentError, "up")
      assert_equal "up", assert_raises(ArgumentError) { task.await }.message
    end
  end

  def test_ten_thousand_at_once
    count = 0
    Rota.run { 10_000.times { Rota.spin { sleep(0.01) and count += 1 } } }
    assert_equal 10_000, count
  end

  # A duration of ActiveSupport is one: no Numeric, but it can be divided.
  Duration = Struct.new(:seconds) do
    def divmod(divisor) = seconds.divmod(divisor)
  end

  def test_what_can_be_divided_is_a_time
    Rota.run do
      started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      assert_includes [0, 1], sleep(Duration.new(0.01)) # core counts the changes of the second
      assert_equal 0, Rota.sleep(Duration.new(0.01))
      assert_operator Process.clock_gettime(Process::CLOCK_MONOTONIC) - started, :>=, 0.02
      assert_equal :late, Rota.move_on_after(Duration.new(0.001), with_value: :late) { sleep(1) }
      error = assert_raises(TypeError) { sleep("1") }
      assert_equal error.message, Thread.new { caught(TypeError) { sleep("1") } }.value.message
    end
  end
end
