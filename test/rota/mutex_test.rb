# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

class MutexTest < RotaTest
  include Sync

  CASES = {
    lock: ->(m) { [m.lock.equal?(m), m.locked?, m.owned?, m.unlock.equal?(m), m.locked?, m.owned?] },
    twice: ->(m) { m.lock.lock },
    try: ->(m) { [m.try_lock, m.try_lock, m.locked?] },
    unlock: lambda(&:unlock),
    foreign: lambda { |m|
      m.lock && Thread.new do
        Thread.current.report_on_exception = false
        m.unlock
      end.value
    },
    foreign_questions: ->(m) { m.lock && Thread.new { [m.locked?, m.owned?, m.try_lock] }.value },
    synchronize: ->(m) { [m.synchronize { m.owned? ? 5 : 6 }, m.locked?] },
    no_block: lambda(&:synchronize),
    raising: lambda { |m|
      [begin
        m.synchronize { raise IOError }
      rescue StandardError
        1
      end, m.locked?]
    },
    left_inside: ->(m) { m.synchronize { m.unlock } },
    nested: ->(m) { m.synchronize { m.synchronize { 1 } } },
    sleep: ->(m) { m.synchronize { [m.sleep(0.001), m.owned?] } },
    sleep_zero: ->(m) { m.synchronize { m.sleep(0) } },
    sleep_negative: ->(m) { m.synchronize { m.sleep(-1) } },
    sleep_unlocked: ->(m) { m.sleep(0) }
  }.freeze

  def test_as_ruby_mutex
    CASES.each do |name, work|
      expected = outcome { work[Thread::Mutex.new] }
      assert_as expected, outcome { work[Rota::Mutex.new] }, "#{name} on a thread"
      assert_as expected, Rota.run { outcome { work[Rota::Mutex.new] } }, "#{name} in a task"
    end
    assert_raises(TypeError) { Rota::Mutex.new.lock.sleep("1") }
  end

  def test_a_lock_is_handed_over_in_order
    Rota.run do
      mutex = Rota::Mutex.new
      log = []
      mutex.lock
      tasks = Array.new(5) { |i| Rota.spin { mutex.synchronize { log << i } } }
      Rota.snooze
      assert_no_enters do
        mutex.unlock
        assert mutex.locked?, "the lock is the first waiter's already"
        refute mutex.owned?
        refute mutex.try_lock
        mutex.synchronize { log << :last }
        tasks.each(&:await)
      end
      assert_equal [0, 1, 2, 3, 4, :last], log
      refute mutex.locked?
    end
  end

  def test_exclusion
    Rota.run do
      mutex = Rota::Mutex.new
      inside = 0
      10.times do
        Rota.spin do
          20.times do
            mutex.synchronize do
              inside += 1
              assert_equal 1, inside
              Rota.snooze
              inside -= 1
            end
          end
        end
      end
    end
  end

  def test_a_lock_of_an_ended_task_is_released
    Rota.run do
      mutex = Rota::Mutex.new
      holder = Rota.spin { mutex.lock and Rota.snooze }
      Rota.snooze
      waiter = Rota.spin { mutex.synchronize { :mine } }
      assert_equal :mine, waiter.await
      assert_predicate holder, :dead?
      refute mutex.locked?

      failing = Rota.spin { mutex.lock and raise IOError }
      assert_raises(IOError) { failing.await }
      assert mutex.try_lock
    end
  end

  def test_a_lock_of_an_ended_loop_or_thread_is_released
    mutex = Rota::Mutex.new
    Rota.run { mutex.lock }
    refute mutex.locked?
    Thread.new { Rota.run { Rota.spin { mutex.lock } } }.join
    refute mutex.locked?
    Thread.new { mutex.lock }.join
    refute mutex.locked?, "a native thread's lock is found free when it is asked for"
  end

  # The owner tells nobody of its end: each who waits, in a loop or not, looks for it, in its place in line.
  def test_a_thread_that_ends_with_the_lock_is_noticed_by_who_waits_for_it_already
    mutex = Rota::Mutex.new
    owner = locker_of(mutex)
    order = []
    take = ->(name) { mutex.synchronize { order << name } }
    thread = Thread.new { take[:thread] }
    sleep_until { thread.stop? }
    Rota.run do
      tasks = %i[first second].map { |name| Rota.spin { take[name] } }
      Rota.snooze
      owner.kill.join
      Rota.cancel_after(5) { tasks.each(&:await) }
    end
    thread.join
    assert_equal %i[thread first second], order
  end

  # The others are not even woken.
  def test_the_first_in_line_alone_looks_for_the_end_of_a_thread
    mutex = Rota::Mutex.new
    owner = locker_of(mutex)
    looks = Queue.new
    Rota.run do
      tasks = Array.new(50) { |name| Rota.spin(name) { mutex.synchronize { name } } }
      Rota.snooze
      owner.define_singleton_method(:alive?) { looks << Rota.current.tag && super() }
      switches = Rota.loop.stats[:switches]
      assert_equal [0, 0], Array.new(2) { looks.pop }
      assert_operator Rota.loop.stats[:switches] - switches, :<, 20
      tasks.first.terminate
      tasks.first.join
      looks.clear
      assert_equal 1, looks.pop, "the next in line goes on"
      owner.kill.join
      assert_equal (1...50).to_a, Rota.cancel_after(5) { tasks.drop(1).map(&:await) }
    end
  end

  # The first to wait has no thread to look for: the owner comes after it, with the lock in hand.
  def test_a_thread_that_got_the_lock_in_line_and_ends_with_it_is_noticed
    Rota.run do
      mutex = Rota::Mutex.new.lock
      thread = Thread.new { mutex.lock }
      sleep_until { thread.stop? }
      task = Rota.spin { mutex.synchronize { mutex.owned? } }
      Rota.snooze
      mutex.unlock
      Rota.cancel_after(5) { assert_equal true, task.await }
    end
  end

  # One that another interjection queues runs later, right in front of the wait.
  def test_an_interjection_in_front_of_a_wait_misses_nothing
    Rota.run do |root|
      mutex = Rota::Mutex.new
      gate = Rota::Queue.new
      owner = Rota.spin { mutex.synchronize { gate.pop } }
      Rota.snooze
      root.interject { root.interject { gate.push(:open) && owner.join } }
      Rota.cancel_after(5) { mutex.lock }
      assert_predicate mutex, :owned?
    end
  end

  # An end that is looked for does not pass for something that would wake the rest.
  def test_who_got_a_dead_threads_lock_may_be_in_a_deadlock
    assert_prints("[:got, 1]\n", <<~'RUBY')
      Rota.run do
        mutex, got = Rota::Mutex.new, nil
        owner = Thread.new { mutex.lock && sleep }
        Rota.sleep(0.001) until mutex.locked?
        task = Rota.spin { mutex.lock && (got = :got) && Rota.suspend }
        Rota.spin { mutex.lock }
        Rota.snooze
        owner.kill.join
        task.await
      rescue Rota::Deadlock => error
        p [got, error.message.scan("a lock").size]
        Rota.current.children.each(&:terminate)
      end
    RUBY
  end

  def test_a_mutex_held_by_a_task_lives_as_long_as_the_task
    Rota.run do
      Rota.spin do
        10.times { Rota::Mutex.new.lock }
        3.times { GC.start || Rota.snooze }
      end
      3.times { GC.start || Rota.snooze }
    end
  end

  def test_owner_is_the_task_whichever_fiber_it_runs
    Rota.run do
      mutex = Rota::Mutex.new.lock
      assert(Fiber.new { mutex.owned? }.resume)
      refute(Rota.spin { mutex.owned? }.await)
      Fiber.new { mutex.unlock }.resume
      refute mutex.locked?
    end
  end

  def test_a_waiter_that_is_interrupted_leaves_the_line
    Rota.run do
      mutex = Rota::Mutex.new.lock
      first = Rota.spin { mutex.synchronize { :first } }
      second = Rota.spin { mutex.synchronize { :second } }
      Rota.snooze
      first.terminate
      assert_nil first.await
      mutex.unlock
      assert_equal :second, second.await
    end
  end

  def test_a_waiter_that_was_handed_the_lock_and_interrupted_leaves_it_in_order
    Rota.run do
      mutex = Rota::Mutex.new.lock
      entered = false
      first = Rota.spin { mutex.synchronize { entered = true and Rota.snooze } }
      second = Rota.spin { mutex.synchronize { :second } }
      Rota.snooze
      mutex.unlock
      first.terminate
      assert_nil first.await
      assert entered
      assert_equal :second, second.await
      refute mutex.locked?
    end
  end

  def test_sleep_is_woken_by_schedule_and_gives_the_lock_up
    Rota.run do
      mutex = Rota::Mutex.new
      task = Rota.spin { mutex.synchronize { [mutex.sleep, mutex.owned?] } }
      snooze_until { task.waits_for == "a sleep" }
      assert mutex.try_lock
      task.schedule
      Rota.snooze
      mutex.unlock
      assert_equal [0, true], task.await
    end
  end

  def test_sleep_that_is_interrupted_has_its_lock_again
    Rota.run do
      mutex = Rota::Mutex.new
      owned = nil
      task = Rota.spin do
        mutex.synchronize do
          mutex.sleep
        ensure
          owned = mutex.owned?
        end
      end
      snooze_until { task.waits_for == "a sleep" }
      mutex.lock
      task.terminate
      Rota.snooze
      assert_nil owned, "it waits for the lock first"
      mutex.unlock
      task.await
      assert owned
      refute mutex.locked?
    end
  end

  def test_between_loops_and_native_threads
    mutex = Rota::Mutex.new
    count = 0
    work = lambda do
      200.times do
        mutex.synchronize do
          seen = count
          Rota.loop? ? Rota.snooze : Thread.pass
          count = seen + 1
        end
      end
    end
    threads = [Thread.new(&work), Thread.new(&work),
               Thread.new { Rota.run { 2.times { Rota.spin(&work) } } }]
    threads.each(&:join)
    assert_equal 800, count
    refute mutex.locked?
  end

  def test_a_native_thread_that_is_killed_while_it_waits
    mutex = Rota::Mutex.new.lock
    thread = Thread.new { mutex.synchronize { flunk } }
    sleep_until { thread.stop? }
    thread.kill
    thread.join
    mutex.unlock
    assert mutex.try_lock
  end

  def test_a_native_thread_that_is_killed_with_the_lock_just_handed_over
    50.times do
      mutex = Rota::Mutex.new.lock
      thread = Thread.new { mutex.synchronize { :entered } }
      sleep_until { thread.stop? }
      mutex.unlock
      thread.kill
      thread.join
      refute mutex.locked?
    end
  end

  def test_fork_keeps_what_the_forking_task_holds_and_frees_the_rest
    assert_prints("[true, true, false, true]\n", <<~'RUBY')
      $stdout.sync = true
      Rota.run do
        ours, theirs = Rota::Mutex.new, Rota::Mutex.new
        Rota.spin { theirs.lock; Rota.sleep }
        Rota.snooze
        ours.lock
        waiting = Rota.spin { ours.lock }
        Rota.snooze
        Process.wait(fork { p [ours.owned?, ours.unlock.equal?(ours), theirs.locked?, theirs.try_lock] })
        Rota.current.children.each(&:terminate)
      end
    RUBY
  end

  def test_fork_of_a_thread_without_a_loop
    assert_prints("[true, false]\n", <<~'RUBY')
      $stdout.sync = true
      ours, theirs = Rota::Mutex.new.lock, Rota::Mutex.new
      thread = Thread.new { theirs.lock; sleep }
      sleep 0.01 until theirs.locked?
      Process.wait(fork { p [ours.owned?, theirs.locked?] })
      thread.kill.join
    RUBY
  end

  def test_not_copied
    assert_raises(NoMethodError) { Rota::Mutex.new.dup }
  end

  def test_under_gc_stress
    Rota.run do
      mutex = Rota::Mutex.new
      order = []
      tasks = Array.new(3) { |i| Rota.spin { 3.times { mutex.synchronize { order << i and Rota.snooze } } } }
      GC.stress = true
      tasks.each(&:await)
      GC.stress = false
      assert_equal [0, 1, 2] * 3, order
    ensure
      GC.stress = false
    end
  end

  private

  # A thread without a loop that has the lock, and keeps it.
  def locker_of(mutex)
    Thread.new { mutex.lock && sleep }.tap { sleep_until { mutex.locked? } }
  end
end
