# frozen_string_literal: true

require "test_helper"
require "monitor"
require_relative "../support/cooperation"

# Ruby's own Mutex, Queue and the like, and threads.
class SchedulerSyncTest < RotaTest
  include Cooperation

  def beside(seconds = 0.01, &block)
    Fiber.schedule do
      sleep(seconds)
      block.call
    end
  end

  cooperates(:a_mutex) do
    mutex = Mutex.new
    log = []
    beside(0) { mutex.synchronize { log << :first and sleep(0.01) and log << :released } }
    sleep(0.001)
    mutex.synchronize { log << :second }
    assert_equal %i[first released second], log
  end

  cooperates(:a_mutex_that_a_thread_holds) do
    mutex = Mutex.new
    held = Queue.new
    thread = Thread.new { mutex.synchronize { held << 1 and sleep(0.02) } }
    held.pop
    assert_equal(:mine, mutex.synchronize { :mine })
    thread.join
  end

  as_ruby(:a_recursive_lock, waits: false) { Mutex.new.lock.lock }
  as_ruby(:an_unlock_too_many, waits: false) { Mutex.new.unlock }
  # What it returns does not tell whether the time was up: docs/scheduler.md.
  cooperates(:mutex_sleep) do
    mutex = Mutex.new
    mutex.lock
    mutex.sleep(0.02)
    assert_predicate mutex, :owned?
  end

  cooperates(:a_monitor) do
    monitor = Monitor.new
    log = []
    beside(0) { monitor.synchronize { monitor.synchronize { log << :first and sleep(0.01) } } }
    sleep(0.001)
    monitor.synchronize { log << :second }
    assert_equal %i[first second], log
  end

  cooperates(:a_monitors_condition) do
    monitor = Monitor.new
    condition = monitor.new_cond
    item = nil
    beside { monitor.synchronize { item = 7 and condition.signal } }
    monitor.synchronize { condition.wait_while { item.nil? } }
    assert_equal 7, item
  end

  cooperates(:a_queue) do
    queue = Queue.new
    beside { queue << :item }
    assert_equal :item, queue.pop
  end

  cooperates(:a_queue_that_a_thread_fills) do
    queue = Queue.new
    thread = Thread.new { sleep(0.01) and queue << :item }
    assert_equal :item, queue.pop
    thread.join
  end

  cooperates(:a_queue_that_is_closed) do
    queue = Queue.new
    beside { queue.close }
    assert_nil queue.pop
  end

  cooperates(:a_sized_queue_that_is_full) do
    queue = SizedQueue.new(1)
    queue << 1
    beside { queue.pop }
    queue << 2
    assert_equal 2, queue.pop
  end

  if RUBY_VERSION >= "3.2"
    as_ruby(:a_pop_with_a_timeout) { Queue.new.pop(timeout: 0.02) }
    as_ruby(:a_pop_with_a_timeout_of_zero, waits: false) { Queue.new.pop(timeout: 0) }
    as_ruby(:a_push_with_a_timeout) { SizedQueue.new(1).then { |q| q.push(1) and q.push(2, timeout: 0.02) } }
    cooperates(:an_item_within_the_timeout) do
      queue = Queue.new
      beside { queue << 3 }
      assert_equal 3, queue.pop(timeout: 5)
    end
  end
  as_ruby(:a_pop_that_does_not_wait, waits: false) { Queue.new.pop(true) }

  cooperates(:a_condition_variable) do
    mutex = Mutex.new
    condition = ConditionVariable.new
    ready = false
    beside { mutex.synchronize { ready = true and condition.signal } }
    mutex.synchronize do
      condition.wait(mutex) until ready
      assert_predicate mutex, :owned?
    end
  end

  cooperates(:a_condition_variable_with_a_timeout) do
    mutex = Mutex.new
    mutex.synchronize do
      ConditionVariable.new.wait(mutex, 0.02)
      assert_predicate mutex, :owned?
    end
  end

  def test_a_broadcast
    woken = 0
    Rota.run do
      mutex = Mutex.new
      condition = ConditionVariable.new
      tasks = Array.new(5) { Rota.spin { mutex.synchronize { condition.wait(mutex) and woken += 1 } } }
      sleep(0.001)
      mutex.synchronize { condition.broadcast }
      tasks.each(&:await)
    end
    assert_equal 5, woken
  end

  # Who waited in vain is woken in no later wait.
  def test_a_waiter_whose_time_was_up_is_not_woken_later
    waits = []
    Rota.run do
      mutex = Mutex.new
      condition = ConditionVariable.new
      late = Rota.spin do
        mutex.synchronize { condition.wait(mutex, 0.001) }
        waits << :later and sleep
      end
      sleep 0.001 until waits == [:later]
      mutex.synchronize { condition.broadcast }
      sleep(0.005)
      assert_predicate late, :alive?
      late.terminate
    end
  end

  cooperates(:the_value_of_a_thread) do
    assert_equal :value, Thread.new { sleep(0.02) and :value }.value
  end
  as_ruby(:the_exception_of_a_thread) do
    Thread.new do
      Thread.current.report_on_exception = false
      sleep(0.02) and raise ArgumentError, "from there"
    end.value
  end

  if RUBY_VERSION >= "3.3" # before, core waits again and again: docs/scheduler.md
    cooperates(:join_with_a_limit) do
      thread = Thread.new { sleep }
      assert_nil thread.join(0.02)
      thread.kill.join
    end
  end
  cooperates(:join_within_the_limit) do
    thread = Thread.new { sleep(0.01) }
    assert_same thread, thread.join(5)
  end

  # Who is woken for a lock in the turn in which it is interrupted takes it all the same: nobody else
  # would be woken.
  def test_a_mutex_is_free_after_an_interrupted_waiter
    Rota.run do
      mutex = Mutex.new
      mutex.lock
      first = Rota.spin { mutex.synchronize { :got } and sleep }
      second = Rota.spin { mutex.synchronize { :got } }
      sleep(0.001)
      mutex.unlock
      first.raise(ArgumentError)
      assert_equal :got, second.await(1)
      assert_raises(ArgumentError) { first.await }
    end
  end

  def test_a_thousand_tasks_and_threads_on_one_queue
    queue = Queue.new
    got = []
    Rota.run do
      100.times { Rota.spin { 10.times { got << queue.pop } } }
      threads = Array.new(4) { |t| Thread.new { 250.times { |i| queue << ((t * 250) + i) } } }
      threads.each(&:join)
    end
    assert_equal (0...1000).to_a, got.sort
  end

  # Core raises inside Mutex#lock, behind our hook, and then nobody is woken for the lock.
  def test_what_is_raised_in_the_thread_costs_nobody_a_lock
    main = Thread.current
    order = []
    Rota.run do
      mutex = Thread::Mutex.new
      mutex.lock
      tasks = Array.new(2) { |n| waiting(n) { mutex.synchronize { order << n } } }
      mutex.unlock
      raised = false
      thread = Thread.new do
        main.raise(IndexError)
        raised = true
      end
      Thread.pass until raised
      assert_raises(IndexError) { 3.times { Rota.sleep(0.001) } }
      with_timeout(10) { tasks.each(&:await) }
      thread.join
    end
    assert_equal [0, 1], order
  end
end
