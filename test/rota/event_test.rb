# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

class EventTest < RotaTest
  include Sync

  def test_a_signal_wakes_all_who_wait_with_its_value
    Rota.run do
      event = Rota::Event.new
      tasks = Array.new(3) { Rota.spin { event.await } }
      Rota.snooze
      assert_no_enters do
        assert_same event, event.signal(:value)
        assert_equal [:value] * 3, tasks.map(&:await)
      end
      assert_equal :late, Rota.move_on_after(0.001, with_value: :late) { event.await }, "it was not latched"
    end
  end

  def test_a_signal_that_nobody_waits_for_is_latched_once
    Rota.run do
      event = Rota::Event.new
      event.signal(1).signal(2)
      assert_equal 2, event.await
      assert_equal :none, Rota.move_on_after(0.001, with_value: :none) { event.await }
      event.signal
      assert_nil event.await
    end
  end

  def test_a_waiter_that_left_consumes_nothing
    Rota.run do
      event = Rota::Event.new
      task = Rota.spin { event.await }
      Rota.snooze
      task.terminate
      task.await
      event.signal(:kept)
      assert_equal :kept, event.await
    end
  end

  def test_a_killed_thread_leaves_its_signal
    50.times do
      event = Rota::Event.new
      thread = Thread.new { event.await }
      sleep_until { thread.stop? }
      event.signal(:value)
      thread.kill.join
      event.signal(:other) if thread.value
      assert_includes %i[value other], event.await
    end
  end

  def test_between_loops_and_native_threads
    event = Rota::Event.new
    ready = Rota::Queue.new
    threads = [Thread.new { ready << 1 and event.await }, Thread.new { Rota.run { ready << 1 and event.await } }]
    2.times { ready.pop }
    sleep_until { threads.all?(&:stop?) }
    event.signal(:value)
    assert_equal [:value] * 2, threads.map(&:value)
  end

  def test_the_latched_value_is_kept_from_the_collector
    event = Rota::Event.new
    event.signal("a string".dup)
    GC.start
    assert_equal "a string", event.await
  end
end
