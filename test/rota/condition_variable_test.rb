# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

class ConditionVariableTest < RotaTest
  include Sync

  CASES = {
    timeout: ->(m, c) { m.synchronize { [c.wait(m, 0.001), m.owned?] } },
    zero: ->(m, c) { m.synchronize { c.wait(m, 0) } },
    negative: ->(m, c) { m.synchronize { c.wait(m, -1) } },
    unlocked: ->(m, c) { c.wait(m) },
    foreign: lambda { |m, c|
      m.lock && Thread.new do
        Thread.current.report_on_exception = false
        c.wait(m, 0)
      end.value
    },
    signal: ->(_, c) { c.signal.equal?(c) },
    broadcast: ->(_, c) { c.broadcast.equal?(c) },
    signalled: lambda { |m, c|
      thread = Thread.new { m.synchronize { c.wait(m, 5) } }
      sleep 0.001 until thread.stop?
      m.synchronize { c.signal }
      thread.value.class # the seconds that it took are each run's own
    },
    none: ->(_, c) { c.wait }
  }.freeze

  def test_as_ruby_condition_variable
    # Taken outside of tasks: under any scheduler core's own does not tell a timeout from a signal.
    expected = CASES.transform_values { |work| outcome { work[Thread::Mutex.new, Thread::ConditionVariable.new] } }
    CASES.each do |name, work|
      assert_as expected[name], outcome { work[Rota::Mutex.new, Rota::ConditionVariable.new] }, name
    end
    Rota.run do
      CASES.slice(:timeout, :zero, :negative, :unlocked).each do |name, work|
        assert_as expected[name], outcome { work[Rota::Mutex.new, Rota::ConditionVariable.new] }, name
      end
    end
    assert_raises(TypeError) { Rota::ConditionVariable.new.wait(Thread::Mutex.new) }
  end

  def setup
    super
    @mutex = Rota::Mutex.new
    @condition = Rota::ConditionVariable.new
  end

  def waiters(count, log)
    tasks = Array.new(count) { |i| Rota.spin { @mutex.synchronize { @condition.wait(@mutex) and log << i } } }
    snooze_until { tasks.all? { |task| task.waits_for == "a condition" } }
    tasks
  end

  def test_signal_in_order_and_broadcast
    Rota.run do
      log = []
      tasks = waiters(5, log)
      assert_no_enters do
        @condition.signal
        tasks.first.await
        assert_equal [0], log
        @mutex.synchronize { @condition.broadcast }
        tasks.each(&:await)
      end
      assert_equal [0, 1, 2, 3, 4], log
    end
  end

  def test_nobody_waits
    Rota.run do
      @condition.signal.broadcast
      @mutex.synchronize { assert_nil @condition.wait(@mutex, 0.001) }
    end
  end

  # A fault of others: who timed out stayed in the line and was woken in a later wait.
  def test_who_timed_out_is_not_woken_later
    Rota.run do
      task = Rota.spin do
        @mutex.synchronize { @condition.wait(@mutex, 0.001) }
        Rota.suspend
      end
      other = Rota.spin { @mutex.synchronize { @condition.wait(@mutex) } }
      snooze_until { other.waits_for == "a condition" }
      Rota.sleep(0.005)
      assert_equal "a schedule", task.waits_for
      @condition.signal
      assert_equal 0, other.await
      assert_equal "a schedule", task.waits_for
      task.schedule
    end
  end

  # A fault of others: the broadcast served those again who came back to wait.
  def test_a_broadcast_returns_although_the_woken_wait_again
    Rota.run do
      rounds = 0
      tasks = Array.new(3) do
        Rota.spin { @mutex.synchronize { 3.times { @condition.wait(@mutex) and rounds += 1 } } }
      end
      3.times do |round|
        snooze_until { tasks.all? { |task| task.waits_for == "a condition" } }
        @condition.broadcast
        snooze_until { rounds == 3 * (round + 1) }
      end
      tasks.each(&:await)
    end
  end

  def test_the_mutex_is_there_before_an_interrupt_is_raised
    Rota.run do
      owned = nil
      task = Rota.spin do
        @mutex.synchronize do
          @condition.wait(@mutex)
        ensure
          owned = @mutex.owned?
        end
      end
      snooze_until { task.waits_for == "a condition" }
      @mutex.lock
      task.raise(IOError)
      Rota.snooze
      assert_equal "a lock", task.waits_for
      task.raise(EOFError) # a second one has to wait until the lock is there
      Rota.snooze
      @mutex.unlock
      assert_raises(IOError) { task.await }
      assert owned
      refute @mutex.locked?
    end
  end

  def test_a_signal_for_one_who_is_interrupted_before_goes_to_the_next
    Rota.run do
      log = []
      first, second = waiters(2, log)
      first.terminate
      first.await
      @condition.signal
      second.await
      assert_equal [1], log
    end
  end

  def test_deadline_around_a_wait
    Rota.run do
      result = @mutex.synchronize { Rota.move_on_after(0.001, with_value: :late) { @condition.wait(@mutex) } }
      assert_equal :late, result
      refute @mutex.locked?
    end
  end

  def test_with_a_monitor
    Rota.run do
      monitor = Rota::Monitor.new
      task = Rota.spin do
        monitor.synchronize do
          monitor.synchronize { @condition.wait(monitor) }
          monitor.mon_owned?
        end
      end
      snooze_until { task.waits_for == "a condition" }
      refute monitor.mon_locked?, "it was left as often as it was entered"
      assert_raises(ThreadError) { @condition.wait(monitor) }
      @condition.signal
      assert_equal true, task.await
      refute monitor.mon_locked?
    end
  end

  def test_between_loops_and_native_threads
    items = []
    consume = lambda do
      @mutex.synchronize do
        @condition.wait(@mutex) while items.empty?
        items.shift
      end
    end
    threads = [Thread.new { Array.new(50) { consume.call } },
               Thread.new { Rota.run { Array.new(5) { Rota.spin { Array.new(10) { consume.call } } }.map(&:await) } }]
    Rota.run do
      100.times do |i|
        @mutex.synchronize { items << i }
        @condition.signal
        Rota.snooze
      end
    end
    assert_equal (0...100).to_a, threads.map(&:value).flatten.sort
  end

  # An interjection runs before the mutex is given up, or in the wait.
  def test_an_interjection_in_front_of_a_wait_misses_no_signal
    Rota.run do |root|
      @mutex.lock
      signalling = Rota.spin { @mutex.synchronize { @condition.signal } }
      Rota.snooze
      root.interject { Rota.move_on_after(0.002) { signalling.join } }
      Rota.cancel_after(5) { assert_kind_of Integer, @condition.wait(@mutex) }
    end
  end

  # As test_a_thread_that_ends_with_the_lock_is_noticed_by_who_waits_for_it_already: it is taken again.
  def test_a_thread_that_ends_with_the_lock_of_a_wait
    Rota.run do
      task = Rota.spin { @mutex.synchronize { @condition.wait(@mutex) && @mutex.owned? } }
      Rota.snooze
      thread = Thread.new { @mutex.lock && sleep }
      sleep_until { @mutex.locked? }
      @condition.signal
      Rota.snooze
      thread.kill.join
      Rota.cancel_after(5) { assert_equal true, task.await }
    end
  end

  def test_a_killed_native_thread_passes_its_signal_on
    50.times do
      log = Rota::Queue.new
      threads = Array.new(2) { |i| Thread.new { @mutex.synchronize { @condition.wait(@mutex) and log << i } } }
      sleep_until { threads.all?(&:stop?) }
      @condition.signal
      threads.first.kill.join
      threads.last.join(0.001)
      @condition.broadcast
      threads.each(&:join)
      assert_operator log.size, :>=, 1
      refute @mutex.locked?
    end
  end

  def test_fork
    assert_prints("child nil\nparent 0\n", <<~'RUBY')
      $stdout.sync = true
      Rota.run do
        mutex, condition = Rota::Mutex.new, Rota::ConditionVariable.new
        task = Rota.spin { mutex.synchronize { condition.wait(mutex) } }
        Rota.snooze
        Process.wait(fork { condition.signal; puts "child #{mutex.synchronize { condition.wait(mutex, 0.01) }.inspect}" })
        condition.signal
        puts "parent #{task.await}"
      end
    RUBY
  end
end
