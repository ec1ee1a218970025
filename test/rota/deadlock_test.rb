# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# A hang is never silent.
class DeadlockTest < RotaTest
  def test_suspend_alone
    assert_raises(Rota::Deadlock) { Rota.run { Rota.suspend } }
  end

  # As a trap handler may, while core calls are made for the root task's sake.
  def test_what_is_raised_while_it_looks_for_handlers_or_collects_is_the_root_tasks
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      Rota::Signals.define_singleton_method(:trapped?) { raise KeyError }
      Rota.run { Rota.suspend } rescue p $!.class
      GC.define_singleton_method(:start) { |**| raise IndexError }
      Rota.run { 4000.times { Fiber.schedule { nil } } && Rota.sleep(5) } rescue p $!.class
    RUBY
    assert_equal "KeyError\nIndexError\n", out, err
  end

  def test_is_a_rota_error
    assert_operator Rota::Deadlock, :<, Rota::Error
  end

  def test_reaches_the_root_task_and_nobody_else
    got = Rota.run do
      task = waiting { rescued(Rota::Deadlock, :wrong) { Rota.suspend } }
      [rescued(Rota::Deadlock, :root) { Rota.suspend }, task.stop(:stopped).await]
    end
    assert_equal %i[root stopped], got
  end

  def test_names_every_task_with_its_place
    error = assert_raises(Rota::Deadlock) do
      Rota.run { Rota.spin(:lonely) { Rota.suspend } && Rota.spin { Rota.suspend }.await }
    end
    places = error.message.scan(/deadlock_test\.rb:\d+/)
    assert_operator places.size, :>=, 2, error.message
    assert_includes error.message, ":lonely"
  end

  def test_two_tasks_that_await_each_other
    assert_raises(Rota::Deadlock) do
      Rota.run do
        second = nil
        first = Rota.spin { second.await }
        second = Rota.spin { first.await }
        Rota.suspend
      end
    end
  end

  def test_at_the_end_of_the_block
    assert_raises(Rota::Deadlock) { Rota.run { Rota.spin { Rota.suspend } } }
  end

  def test_can_be_rescued_and_all_goes_on
    got = Rota.run do
      task = waiting
      rescued(Rota::Deadlock, nil) { Rota.suspend }
      task.schedule(:on).await
    end
    assert_equal :on, got
  end

  def test_is_told_again
    got = Rota.run { Array.new(3) { rescued(Rota::Deadlock, :told) { Rota.suspend } } }
    assert_equal %i[told told told], got
  end

  # There is nobody left who would leave the lock that the wait gave up.
  [Rota::Mutex, Rota::Monitor].each do |kind|
    define_method("test_of_who_waits_for_a_condition_whose_lock_another_has_#{kind}") do
      Rota.run do
        lock = kind.new
        condition = Rota::ConditionVariable.new
        holder = Rota.spin { lock.synchronize { Rota.suspend } }
        assert_raises(Rota::Deadlock) { lock.synchronize { holder && condition.wait(lock) } }
        assert_equal %i[left taken], [holder.schedule(:left).await, lock.synchronize { :taken }]
      end
    end
  end

  def test_of_who_waits_in_a_monitor_that_it_entered_twice
    Rota.run do
      monitor = Rota::Monitor.new
      condition = Rota::ConditionVariable.new
      holder = Rota.spin { monitor.synchronize { Rota.suspend } }
      assert_raises(Rota::Deadlock) do
        monitor.synchronize { monitor.synchronize { condition.wait(monitor) } }
      end
      holder.schedule.await
      refute monitor.mon_locked?, "the depth is the holder's"
    end
  end

  def test_a_timer_is_pending
    got = Rota.run { Rota.move_on_after(0.002, with_value: :in_time) { Rota.suspend } }
    assert_equal :in_time, got
  end

  def test_an_operation_is_pending
    got = Rota.run do
      reader, writer = socket_pair
      task = Rota.spin { Rota.loop.read(reader, 1) }
      Process.wait(Process.spawn("printf x", out: writer))
      task.await
    end
    assert_equal "x", got
  end

  # It may be meant: somebody in a signal handler may wake it.
  def test_a_bare_sleep_is_pending
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      pid = Process.pid
      fork { sleep 0.1; Process.kill(:TERM, pid) }
      Rota.run { Rota.sleep }
    RUBY
    assert_equal Signal.list["TERM"], status.termsig, out + err
  end

  def test_another_thread_may_wake_somebody
    got = Rota.run do |root|
      thread = Thread.new { sleep(0.02) && root.schedule(:woken) }
      Rota.suspend.tap { thread.join }
    end
    assert_equal :woken, got
  end

  # Once, after five seconds: the only test here that takes its time.
  def test_with_other_threads_alive_it_is_reported_on_stderr_once
    _, err, status = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do |root|
        lock = Rota::Mutex.new
        Thread.new { lock.lock; sleep 5.6; root.schedule }
        Rota.sleep(0.01) until lock.locked?
        Rota.spin { lock.lock }
        Rota.suspend
      end
    RUBY
    assert_equal [true, 1], [status.success?, err.scan("only another thread").size], err
  end
end
