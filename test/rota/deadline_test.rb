# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# move_on_after and cancel_after.
class DeadlineTest < RotaTest
  def test_one_that_fires_in_an_interjection_does_not_outlive_its_block
    Rota.run do
      task = Rota.spin do
        value = Rota.move_on_after(0.004) { Rota.sleep(0.002); :in_time }
        Rota.snooze
        value
      end
      Rota.snooze
      task.interject { Rota.sleep(0.02) }
      assert_equal :in_time, task.await
    end
  end

  def test_one_that_was_reset_on_the_way_out_leaves_its_block
    assert_equal :left, Rota.run {
      Rota.move_on_after(0.001, with_value: :left) do |timeout|
        Rota.suspend
      ensure
        timeout.reset
        assert_raises(Rota::MoveOn) { Rota.suspend }
      end
    }
  end

  def test_the_value_of_a_block_that_is_in_time
    assert_equal 1, Rota.run { Rota.move_on_after(5) { 1 } }
  end

  def test_nil_at_the_deadline
    assert_nil Rota.run { Rota.move_on_after(0.001) { Rota.sleep } }
  end

  def test_the_given_value_at_the_deadline
    assert_equal :late, Rota.run { Rota.move_on_after(0.001, with_value: :late) { Rota.sleep } }
  end

  def test_ensure_blocks_run
    assert_equal [:ensured], Rota.run {
      [].tap { |seen|
        Rota.move_on_after(0.001) {
          suspend_ensuring {
            seen << :ensured
          }
        }
      }
    }
  end

  def test_a_plain_rescue_does_not_swallow_it
    got = Rota.run {
      Rota.move_on_after(0.001, with_value: :late) {
        rescued(StandardError, :swallowed) {
          Rota.sleep
        }
      }
    }
    assert_equal :late, got
  end

  def test_the_inner_of_two_leaves_the_inner_block_only
    got = Rota.run {
      Rota.move_on_after(1, with_value: :outer) {
        [Rota.move_on_after(0.001, with_value: :inner) {
          Rota.sleep
        }]
      }
    }
    assert_equal [:inner], got
  end

  def test_the_outer_of_two_leaves_both
    got = Rota.run {
      Rota.move_on_after(0.001, with_value: :outer) {
        [Rota.move_on_after(1, with_value: :inner) {
          Rota.sleep
        }]
      }
    }
    assert_equal :outer, got
  end

  # Identity, not class, decides.
  def test_both_at_once_leave_the_outer
    got = Rota.run do
      Rota.move_on_after(0.001, with_value: :outer) do
        Rota.move_on_after(0.001, with_value: :inner) { busy_wait(0.003).then { Rota.sleep } }
        Rota.sleep
      end
    end
    assert_equal :outer, got
  end

  def test_zero_fires_at_the_first_switchpoint
    assert_equal [:late, [1]], Rota.run {
      seen = []; [Rota.move_on_after(0, with_value: :late) {
        (seen << 1) && Rota.snooze && (seen << 2)
      }, seen]
    }
  end

  def test_negative_fires_at_the_first_switchpoint
    assert_equal :late, Rota.run { Rota.move_on_after(-3, with_value: :late) { Rota.sleep } }
  end

  def test_zero_without_a_switchpoint_lets_the_value_win
    assert_equal 1, Rota.run { Rota.move_on_after(0, with_value: :late) { 1 } }
  end

  def test_a_deadline_that_passes_without_a_switchpoint_lets_the_value_win
    assert_equal 1, Rota.run { Rota.move_on_after(0.001, with_value: :late) { busy_wait(0.003) && 1 } }
  end

  def test_a_deadline_that_passed_without_a_switchpoint_never_fires_later
    assert_equal :undisturbed, Rota.run {
      Rota.move_on_after(0.001) {
        busy_wait(0.003)
      } && Rota.sleep(0.002) && :undisturbed
    }
  end

  def test_the_end_of_a_wait_at_the_deadline_is_no_reason_to_leave
    got = Rota.run {
      Rota.move_on_after(0.002, with_value: :late) {
        Rota.sleep(0.001).tap {
          busy_wait(0.003)
        }; :done
      }
    }
    assert_equal :done, got
  end

  def test_swallowed_by_the_block_its_value_wins
    assert_equal :swallowed, Rota.run { Rota.move_on_after(0.001, with_value: :late) { rescued(Rota::MoveOn, :swallowed) { Rota.sleep } } }
  end

  def test_swallowed_it_does_not_come_again
    got = Rota.run do
      Rota.move_on_after(0.001, with_value: :late) do
        rescued(Rota::MoveOn, nil) { Rota.sleep }
        Rota.sleep(0.005)
        :undisturbed
      end
    end
    assert_equal :undisturbed, got
  end

  def test_stop_of_the_task_passes_through
    got = Rota.run { waiting { Rota.move_on_after(60, with_value: :late) { Rota.sleep } }.stop(:stopped).await }
    assert_equal :stopped, got
  end

  def test_reset_puts_it_off
    got = Rota.run do
      Rota.move_on_after(0.03, with_value: :late) do |timeout|
        4.times { Rota.sleep(0.015) && timeout.reset }
        :in_time
      end
    end
    assert_equal :in_time, got
  end

  def test_reset_with_another_time
    got = Rota.run { Rota.move_on_after(60, with_value: :late) { |timeout| timeout.reset(0.001) && Rota.sleep } }
    assert_equal :late, got
  end

  def test_reset_to_zero_fires_at_the_next_switchpoint
    got = Rota.run { Rota.move_on_after(60, with_value: :late) { |timeout| timeout.reset(0) && Rota.sleep } }
    assert_equal :late, got
  end

  def test_reset_takes_back_what_has_not_been_raised_yet
    got = Rota.run { Rota.move_on_after(0, with_value: :late) { |timeout| timeout.reset(60) && Rota.snooze; :in_time } }
    assert_equal :in_time, got
  end

  def test_reset_after_the_block_does_nothing
    got = Rota.run {
      timeout = nil; Rota.move_on_after(60) { |given|
        timeout = given
      }; timeout.reset(0) && Rota.snooze; :undisturbed
    }
    assert_equal :undisturbed, got
  end

  # The deadline lies on a stack that is used for others by then.
  def test_reset_to_a_number_whose_conversion_outlives_the_block
    slow = Class.new { def divmod(_) = Rota.sleep(0.01) && [60, 0] }.new
    Rota.run do
      timeout = nil
      task = Rota.spin do
        Rota.move_on_after(60) { |given| (timeout = given) && Rota.sleep(0.001) }
        Rota.move_on_after(0.02, with_value: :late) { Rota.sleep(5) }
      end
      Rota.snooze
      assert_same timeout, timeout.reset(slow)
      assert_equal :late, task.await
    end
  end

  def test_reset_by_another_task
    got = Rota.run do
      timeout = nil
      task = waiting { Rota.move_on_after(60, with_value: :late) { |given| (timeout = given) && Rota.sleep } }
      timeout.reset(0.001)
      task.await
    end
    assert_equal :late, got
  end

  # The loop sleeps with the old deadline in its hands.
  def test_reset_by_another_thread
    timeout = nil
    thread = Thread.new {
      Rota.run {
        Rota.move_on_after(60, with_value: :late) { |given|
          (timeout = given) && Rota.sleep
        }
      }
    }
    Thread.pass until timeout && thread.status == "sleep"
    timeout.reset(0.001)
    assert_equal :late, thread.value
  end

  def test_a_lambda_or_a_method_without_parameters_takes_no_timeout
    calls = 0
    assert_equal 1, Rota.run { Rota.move_on_after(9, &-> { calls += 1 }) }
    define_singleton_method(:count) { calls += 1 }
    assert_equal 2, Rota.run { Rota.cancel_after(9, &method(:count)) }
    assert_equal 2, calls
  end

  def test_who_takes_the_timeout_is_given_one
    [proc { |timeout| timeout }, ->(timeout) { timeout }, proc { |timeout = nil| timeout }, proc { |*all| all.first },
     :itself.to_proc].each do |block|
      assert_instance_of Rota::Timeout, Rota.run { Rota.move_on_after(9, &block) }
    end
  end

  def test_an_argument_error_of_a_block_is_its_own
    calls = 0
    blocks = [proc { calls += 1 and raise ArgumentError, "mine" }, -> { calls += 1 and raise ArgumentError, "mine" },
              ->(_timeout) { calls += 1 and raise ArgumentError, "mine" }]
    blocks.each do |block|
      error = assert_raises(ArgumentError) { Rota.run { Rota.move_on_after(9, &block) } }
      assert_equal "mine", error.message
    end
    assert_raises(ArgumentError) { Rota.run { Rota.move_on_after(9, &->(_one, _two) { calls += 1 }) } }
    assert_equal 3, calls
  end

  def test_without_a_block
    assert_raises(LocalJumpError) { Rota.run { Rota.move_on_after(9) } }
    assert_raises(LocalJumpError) { Rota.run { Rota.cancel_after(9) } }
  end

  def test_the_timeout_of_a_block_that_was_left_or_thrown_out_of_moves_nothing
    kept = []
    Rota.run do
      catch(:out) { Rota.move_on_after(9) { |timeout| (kept << timeout) && throw(:out) } }
      Rota.move_on_after(0) { |timeout| (kept << timeout) && Rota.sleep }
      GC.start
      kept.each { |timeout| assert_same timeout, timeout.reset(0) }
      Rota.snooze
    end
  end

  def test_refuses_what_is_no_time
    Rota.run { assert_raises(TypeError) { Rota.move_on_after("1") { nil } } }
  end

  def test_refuses_unknown_keywords
    Rota.run { assert_raises(ArgumentError) { Rota.move_on_after(1, value: 1) { nil } } }
  end

  # -- cancel_after ------------------------------------------------------------------------------

  def test_cancel_gives_the_value_of_a_block_that_is_in_time
    assert_equal 1, Rota.run { Rota.cancel_after(5) { 1 } }
  end

  def test_cancel_raises_a_timeout_error
    assert_raises(Rota::TimeoutError) { Rota.run { Rota.cancel_after(0.001) { Rota.sleep } } }
  end

  def test_the_timeout_error_is_rubys_own_where_there_is_one
    expected = IO.const_defined?(:TimeoutError) ? IO::TimeoutError : IOError
    assert_operator Rota::TimeoutError, :<=, expected
  end

  def test_cancel_with_a_class
    assert_raises(KeyError) { Rota.run { Rota.cancel_after(0.001, with_exception: KeyError) { Rota.sleep } } }
  end

  def test_cancel_with_an_instance
    error = KeyError.new("mine")
    assert_same error, assert_raises(KeyError) {
      Rota.run {
        Rota.cancel_after(0.001, with_exception: error) {
          Rota.sleep
        }
      }
    }
  end

  def test_cancel_with_a_class_and_a_message
    error = assert_raises(KeyError) {
      Rota.run {
        Rota.cancel_after(0.001, with_exception: [KeyError, "so"]) {
          Rota.sleep
        }
      }
    }
    assert_equal "so", error.message
  end

  def test_cancel_with_a_string
    error = assert_raises(RuntimeError) { Rota.run { Rota.cancel_after(0.001, with_exception: "so") { Rota.sleep } } }
    assert_equal "so", error.message
  end

  def test_cancel_tells_bad_exceptions_at_once
    Rota.run { assert_raises(TypeError) { Rota.cancel_after(60, with_exception: 1) { nil } } }
  end

  def test_a_cancel_inside_a_move_on_of_a_later_time
    got = Rota.run { Rota.move_on_after(1) { rescued(Rota::TimeoutError, :cancelled) { Rota.cancel_after(0.001) { Rota.sleep } } } }
    assert_equal :cancelled, got
  end

  # -- the same batch ----------------------------------------------------------------------------

  # Both are there when the task comes back: the value of the wait is kept, and the deadline fires at
  # the next switchpoint inside its block or not at all.
  def test_deadline_and_schedule_in_the_same_batch
    got = Rota.run do
      Array.new(2000) do
        task = waiting { Rota.move_on_after(0.0001, with_value: :late) { Rota.suspend } }
        busy_wait(0.0001)
        task.schedule(:scheduled)
        task.await
      end
    end
    assert_empty got - %i[scheduled late]
  end

  def test_deadline_and_completion_in_the_same_batch
    bytes = Rota.run do
      reader, writer = socket_pair
      sent = received = 0
      3000.times do |i|
        Rota.spin { (sent += 1) && writer.write("x") } if i.odd? # syswrite may find it full
        got = Rota.move_on_after(i % 5 * 0.00002) { Rota.loop.read(reader, 1) }
        received += 1 if got
      end
      received += 1 while received < sent && Rota.move_on_after(5) { Rota.loop.read(reader, 1) }
      [sent, received]
    end
    assert_equal(*bytes)
  end

  def test_deadline_and_end_of_an_awaited_task_in_the_same_batch
    got = Rota.run do
      Array.new(1000) do
        task = Rota.spin { Rota.sleep(0.0002) && :done }
        Rota.move_on_after(0.0002, with_value: :late) { task.await }
      end
    end
    assert_empty got - %i[done late]
  end

  def test_leaves_no_timers
    armed = Rota.run { 100.times { Rota.move_on_after(60) { nil } } && Rota.loop.stats[:timers_armed] }
    assert_equal 0, armed
  end

  def test_ten_thousand_that_do_not_fire_enter_nothing
    enters = Rota.run {
      before = Rota.loop.stats[:enters]; 10_000.times {
        Rota.move_on_after(60) {
          nil
        }
      }; Rota.loop.stats[:enters] - before
    }
    assert_equal 0, enters
  end

  # -- on other fibers of the task ---------------------------------------------------------------

  # An enumerator that was stopped in the middle of the block is outside of it.
  def test_never_fires_while_its_fiber_is_stopped
    got = Rota.run do
      entered = Enumerator.new { |y| Rota.move_on_after(0.001) { y << 1 } }
      entered.next
      Rota.sleep(0.005)
      :undisturbed
    end
    assert_equal :undisturbed, got
  end

  def test_fires_when_its_fiber_goes_on
    got = Rota.run do
      entered = Enumerator.new { |y| y << Rota.move_on_after(0.001, with_value: :late) { y << 1 && Rota.sleep } }
      entered.next
      Rota.sleep(0.005)
      entered.next
    end
    assert_equal :late, got
  end

  def test_a_deadline_outside_reaches_into_an_enumerator
    got = Rota.run { Rota.move_on_after(0.001, with_value: :late) { Enumerator.new { |y| y << Rota.sleep }.next } }
    assert_equal :late, got
  end

  def test_a_fiber_that_was_dropped_in_the_block_takes_its_deadline_along
    Rota.run do
      Rota.spin { 50.times { Enumerator.new { |y| Rota.move_on_after(0.002) { y << 1 } }.next } }.await
      3.times { GC.start && Array.new(100) { Enumerator.new { |y| y << 1 }.tap(&:next) } }
      Rota.sleep(0.005)
    end
    pass
  end

  def test_a_task_that_ended_takes_the_deadlines_of_its_fibers_along
    armed = Rota.run do
      entered = Rota.spin { Enumerator.new { |y| Rota.move_on_after(60) { y << 1 } }.tap(&:next) }.await
      [Rota.loop.stats[:timers_armed], entered.class]
    end
    assert_equal 0, armed.first
  end

  private

  # Computes for that long, without a switchpoint. True.
  def busy_wait(seconds)
    till = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    nil until Process.clock_gettime(Process::CLOCK_MONOTONIC) > till
    true
  end
end
