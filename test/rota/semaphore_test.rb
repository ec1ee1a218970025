# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

class SemaphoreTest < RotaTest
  include Sync

  def test_so_many_at_a_time_in_order
    Rota.run do
      semaphore = Rota::Semaphore.new(2)
      inside = most = 0
      order = []
      tasks = Array.new(6) do |i|
        Rota.spin do
          semaphore.acquire do
            order << i
            most = [most, inside += 1].max
            Rota.snooze
            inside -= 1
          end
        end
      end
      assert_no_enters { tasks.each(&:await) }
      assert_equal [2, (0..5).to_a, 2], [most, order, semaphore.available]
    end
  end

  def test_results
    semaphore = Rota::Semaphore.new(1)
    assert_equal(5, semaphore.acquire { 5 })
    assert_same semaphore, semaphore.acquire
    refute semaphore.try_acquire
    assert_equal 0, semaphore.available
    assert_same semaphore, semaphore.release
    assert semaphore.try_acquire
    3.times { semaphore.release }
    assert_equal 3, semaphore.available
    assert_raises(IOError) { semaphore.acquire { raise IOError } }
    assert_equal 3, semaphore.available
    assert_raises(ArgumentError) { Rota::Semaphore.new(-1) }
    assert_raises(TypeError) { Rota::Semaphore.new("1") }
  end

  def test_who_is_cancelled_takes_nothing
    Rota.run do
      semaphore = Rota::Semaphore.new(1).acquire
      first, second = Array.new(2) { Rota.spin { semaphore.acquire { :in } } }
      Rota.snooze
      first.terminate
      Rota.snooze
      semaphore.release
      assert_nil first.await
      assert_equal :in, second.await
      assert_equal 1, semaphore.available
    end
  end

  def test_between_loops_and_native_threads
    semaphore = Rota::Semaphore.new(2)
    inside = Rota::Queue.new
    work = lambda do
      50.times do
        semaphore.acquire do
          inside << 1
          assert_operator inside.size, :<=, 2
          Rota.loop? ? Rota.snooze : Thread.pass
          inside.pop
        end
      end
    end
    threads = [Thread.new(&work), Thread.new(&work), Thread.new { Rota.run { 3.times { Rota.spin(&work) } } }]
    threads.each(&:join)
    assert_equal 2, semaphore.available
  end

  def test_killed_threads_lose_nothing
    50.times do
      semaphore = Rota::Semaphore.new(0)
      thread = Thread.new { semaphore.acquire { nil } }
      sleep_until { thread.stop? }
      semaphore.release
      thread.kill.join
      assert_equal 1, semaphore.available
    end
  end
end
