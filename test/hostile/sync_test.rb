# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

# Waiters that are cancelled, timed out, killed and interrupted at random: whatever was assigned to
# them is never lost and never served twice.
class SyncHostileTest < RotaTest
  include Sync

  SECONDS = Float(ENV["ROTA_HOSTILE_SECONDS"] || 1)
  time_limit 60 + (20 * SECONDS)

  def setup
    super
    seed = Integer(ENV["ROTA_SEED"] || rand(1_000_000))
    @random = Random.new(seed)
    @seed = "ROTA_SEED=#{seed}"
  end

  def rounds
    over = Process.clock_gettime(Process::CLOCK_MONOTONIC) + SECONDS
    yield while Process.clock_gettime(Process::CLOCK_MONOTONIC) < over
  end

  def one_in(number) = @random.rand(number).zero?

  # Ends one wait before its time, in one of the ways in which that can happen.
  def hit(tasks)
    task = tasks.sample(random: @random)
    case @random.rand(4)
    when 0 then task.terminate
    when 1 then task.stop(:stopped)
    when 2 then task.schedule # none of these waits is a sleep: it must do nothing
    end
    Rota.snooze if one_in(2)
  end

  def finish(tasks)
    tasks.each(&:terminate)
    tasks.each(&:await)
  end

  # Notes an item before its next switchpoint: what it was given, it has.
  def consume(queue, got)
    10.times do
      item = one_in(3) ? queue.pop(timeout: @random.rand * 0.001) : queue.pop
      got << item if item
      Rota.snooze if one_in(4)
    end
  end

  def produce(queue, sent, items)
    items.each do |item|
      timeout = one_in(2) ? nil : @random.rand * 0.0005
      sent << item if queue.push(item, timeout: timeout)
      Rota.snooze if one_in(4)
    end
  end

  def test_queue_items
    rounds do
      Rota.run do
        queue = Rota::Queue.new(capacity: one_in(2) ? nil : @random.rand(1..4))
        got, sent = [], []
        tasks = Array.new(5) { Rota.spin { consume(queue, got) } }
        tasks += Array.new(3) { |i| Rota.spin { produce(queue, sent, ((i * 100)...((i * 100) + 20)).to_a) } }
        20.times { hit(tasks) }
        finish(tasks)
        assert_equal sent.sort, (got + queue.shift_all).sort, @seed
        assert_equal 0, queue.num_waiting, @seed
      end
    end
  end

  def test_locks
    rounds do
      Rota.run do
        mutex = Rota::Mutex.new
        inside = 0
        enter = lambda do
          mutex.synchronize do
            inside += 1
            assert_equal 1, inside, @seed
            Rota.snooze
          ensure
            inside -= 1
          end
        end
        tasks = Array.new(8) do
          Rota.spin { 10.times { Rota.move_on_after(one_in(3) ? @random.rand * 0.001 : 10, &enter) } }
        end
        20.times { hit(tasks) }
        Rota.spin { mutex.synchronize { :served } }.await
        finish(tasks)
        refute mutex.locked?, @seed
      end
    end
  end

  def test_conditions
    rounds do
      Rota.run do
        mutex = Rota::Mutex.new
        condition = Rota::ConditionVariable.new
        woken = signals = 0
        tasks = Array.new(6) do
          Rota.spin do
            mutex.synchronize do
              5.times { woken += 1 if condition.wait(mutex, one_in(2) ? nil : @random.rand * 0.001) }
            ensure
              assert mutex.owned?, @seed
            end
          end
        end
        Rota.snooze
        30.times do
          signals += 1
          condition.signal
          hit(tasks)
        end
        finish(tasks)
        assert_operator woken, :<=, signals, @seed
        refute mutex.locked?, @seed
      end
    end
  end

  def test_semaphores_and_pools
    rounds do
      Rota.run do
        semaphore = Rota::Semaphore.new(3)
        pool = Rota::ResourcePool.new(limit: 2) { one_in(5) ? raise(IOError) : Object.new }
        tasks = Array.new(8) do
          Rota.spin do
            10.times do
              semaphore.acquire { Rota.snooze }
              pool.acquire do
                Rota.snooze
                pool.discard! if one_in(5)
              end
            rescue IOError
              next
            end
          end
        end
        30.times { hit(tasks) }
        finish(tasks)
        assert_equal [3, 2], [semaphore.available, pool.available], @seed
        assert_operator pool.size, :<=, 2, @seed
      end
    end
  end

  def native_consumer(queue, got)
    Thread.new do
      # A kill lands in the wait alone, not between it and the note.
      Thread.handle_interrupt(Object => :on_blocking) { loop { got << queue.pop } }
    end
  end

  def loop_consumers(queue, got)
    Thread.new do
      Rota.run do
        tasks = Array.new(3) { Rota.spin { loop { queue.pop(timeout: 0.001)&.then { |item| got << item } } } }
        tasks.each { |task| Rota.sleep(rand * 0.001) && task.terminate }
      end
    end
  end

  def test_threads_of_both_kinds
    rounds do
      queue = Rota::Queue.new(capacity: 3)
      got = Rota::Queue.new
      natives = Array.new(2) { native_consumer(queue, got) }
      loops = Array.new(2) { loop_consumers(queue, got) }
      100.times do |number|
        queue << number
        natives.last.wakeup if (number % 10).zero? # means nothing to a wait
        natives.first.kill if number == 50
      end
      loops.each(&:join)
      sleep_until { queue.empty? }
      natives.each(&:kill).each(&:join)
      assert_equal (0...100).to_a, (got.shift_all + queue.shift_all).sort, @seed
    end
  end

  def test_a_kill_surfaces_while_a_condition_takes_its_lock_again
    rounds do
      mutex = Rota::Mutex.new
      condition = Rota::ConditionVariable.new
      owned = Rota::Queue.new
      work = lambda do |*|
        mutex.synchronize do
          condition.wait(mutex)
        ensure
          owned << mutex.owned?
        end
      end
      thread = one_in(2) ? Thread.new(&work) : Thread.new { Rota.run(&work) }
      sleep_until { thread.stop? && !mutex.locked? }
      mutex.lock
      condition.signal
      thread.kill
      sleep(@random.rand * 0.002)
      assert_empty owned, @seed
      mutex.unlock
      thread.join
      assert_equal [true], owned.shift_all, @seed
      refute mutex.locked?, @seed
    end
  end

  def test_under_gc_stress
    Rota.run do
      queue = Rota::Queue.new(capacity: 1)
      monitor = Rota::Monitor.new
      condition = monitor.new_cond
      event = Rota::Event.new
      GC.stress = true
      task = Rota.spin { Array.new(5) { monitor.synchronize { queue.pop } } }
      5.times { |number| queue << "item #{number}" }
      items = task.await
      waiter = Rota.spin { monitor.synchronize { condition.wait(1) && event.await } }
      Rota.snooze until waiter.waits_for == "a condition"
      monitor.synchronize { condition.signal }
      event.signal("event")
      value = waiter.await
      GC.stress = false
      assert_equal [Array.new(5) { |number| "item #{number}" }, "event"], [items, value]
    ensure
      GC.stress = false
    end
  end
end
