# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Task#await, and where failures go.
class AwaitTest < RotaTest
  def test_the_value_of_the_block
    assert_equal(8, Rota.run { Rota.spin { 8 }.await })
  end

  def test_of_a_dead_task_it_returns_at_once_each_time
    assert_equal([8, 8], Rota.run do
      task = Rota.spin { 8 }
      [task.await, task.await]
    end)
  end

  def test_several_tasks_may_await_the_same
    got = Rota.run do
      task = Rota.spin do
        Rota.sleep 0.001
        8
      end
      Array.new(3) { Rota.spin { task.await } }.map(&:await)
    end
    assert_equal [8, 8, 8], got
  end

  def test_raises_what_the_task_failed_with
    assert_raises(KeyError) { Rota.run { Rota.spin { raise KeyError }.await } }
  end

  def test_raises_the_same_error_each_time
    errors = Rota.run do
      task = Rota.spin { raise KeyError }
      Array.new(2) { caught(KeyError) { task.await } }
    end
    assert_same(*errors)
  end

  def test_an_exception_as_the_value_is_a_value
    assert_instance_of(KeyError, Rota.run { Rota.spin { KeyError.new }.await })
  end

  def test_itself_is_an_error
    Rota.run { |task| assert_raises(Rota::Error) { task.await } }
  end

  def test_raises_when_the_time_is_up
    Rota.run do
      task = Rota.spin { Rota.suspend }
      assert_raises(Rota::TimeoutError) { task.await(0.002) }
      task.stop
    end
  end

  def test_the_task_goes_on_when_the_time_is_up
    got = Rota.run do
      task = Rota.spin { Rota.suspend }
      assert_raises(Rota::TimeoutError) { task.await(0.002) }
      task.schedule(:later).await
    end
    assert_equal :later, got
  end

  def test_a_timeout_of_zero_asks_a_living_task_only_once
    Rota.run do
      task = Rota.spin { Rota.suspend }
      assert_raises(Rota::TimeoutError) { task.await(0) }
      task.stop
    end
  end

  def test_a_timeout_that_does_not_come
    assert_equal(1, Rota.run { Rota.spin { 1 }.await(5) })
  end

  def test_refuses_a_timeout_that_is_no_number
    Rota.run { assert_raises(TypeError) { Rota.spin { 1 }.await("soon") } }
  end

  # -- failures ----------------------------------------------------------------------------------

  def test_an_awaited_failure_does_not_interrupt_the_parent
    got = Rota.run do
      task = Rota.spin do
        Rota.snooze
        raise KeyError
      end
      rescued(KeyError, nil) { task.await }
      Rota.sleep(0.001)
      :undisturbed
    end
    assert_equal :undisturbed, got
  end

  def test_a_failure_before_the_await_is_raised_by_the_await_only
    got = Rota.run do
      task = Rota.spin { raise KeyError }
      # no switchpoint of this task has seen the failure when it awaits
      rescued(KeyError, nil) { task.await }
      Rota.snooze
      :undisturbed
    end
    assert_equal :undisturbed, got
  end

  def test_a_failure_that_nobody_awaits_interrupts_the_parent_once
    got = Rota.run do
      task = Rota.spin { raise KeyError }
      first = rescued(KeyError, :interrupted) { Rota.sleep }
      again = rescued(KeyError, :interrupted) do
        Rota.snooze
        :calm
      end
      later = rescued(KeyError, :raised) { task.await }
      [first, again, later]
    end
    assert_equal %i[interrupted calm raised], got
  end

  def test_a_failure_goes_up_the_tree
    assert_raises(KeyError) do
      Rota.run do
        Rota.spin do
          Rota.spin { raise KeyError }
          Rota.sleep
        end
        Rota.sleep
      end
    end
  end

  def test_a_failure_that_another_task_awaits_does_not_interrupt_the_parent
    got = Rota.run do
      failing = Rota.spin do
        Rota.snooze
        Rota.snooze
        raise KeyError
      end
      other = Rota.spin { rescued(KeyError, :told) { failing.await } }
      [other.await, (Rota.snooze
                     :undisturbed)]
    end
    assert_equal %i[told undisturbed], got
  end

  def test_every_waiter_gets_the_failure
    got = Rota.run do
      failing = Rota.spin do
        Rota.sleep 0.001
        raise KeyError
      end
      Array.new(3) { Rota.spin { rescued(KeyError, :told) { failing.await } } }.map(&:await)
    end
    assert_equal %i[told told told], got
  end

  def test_a_waiter_whose_time_was_up_counts_as_nobody
    Rota.run do
      failing = Rota.spin do
        Rota.sleep 0.01
        raise KeyError
      end
      assert_raises(Rota::TimeoutError) { failing.await(0.001) }
      assert_raises(KeyError) { Rota.sleep }
    end
  end

  def test_a_failure_in_the_cleanup_of_a_terminated_task_is_the_parents
    assert_raises(KeyError) do
      Rota.run do
        task = Rota.spin { suspend_ensuring { raise KeyError } }
        Rota.snooze
        task.terminate
        Rota.sleep
      end
    end
  end

  def test_failures_of_children_in_the_cleanup_are_the_parents
    error = assert_raises(IOError) do
      Rota.run do
        Rota.spin { suspend_ensuring { raise KeyError, "second" } }
        Rota.snooze
        raise IOError, "first"
      end
    end
    assert_equal ["second"], error.suppressed.map(&:message)
  end

  def test_a_failure_of_a_child_ends_a_parent_that_has_none
    Rota.run do
      parent = Rota.spin do
        Rota.spin { suspend_ensuring { raise KeyError } }
        Rota.snooze
        :value
      end
      assert_raises(KeyError) { parent.await }
    end
  end

  def test_an_error_without_others_has_no_method_suppressed
    error = assert_raises(KeyError) { Rota.run { raise KeyError } }
    refute_respond_to error, :suppressed
  end

  def test_rotas_own_errors_have_an_empty_list
    assert_equal [], Rota::Error.new.suppressed
  end

  # A task of another thread is awaited as one's own.
  def test_a_task_of_another_thread
    task = nil
    thread = Thread.new do
      Rota.run do
        task = Rota.spin do
          Rota.sleep 0.01
          :there
        end
      end
    end
    Thread.pass until task
    assert_equal(:there, Rota.run { task.await })
    thread.join
  end

  def test_many_tasks_in_any_order
    got = Rota.run do
      tasks = Array.new(500) do |i|
        Rota.spin do
          Rota.sleep((i * 7 % 11) * 0.0002)
          i
        end
      end
      tasks.reverse.map(&:await).reverse
    end
    assert_equal [*0...500], got
  end
end
