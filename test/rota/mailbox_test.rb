# frozen_string_literal: true

require_relative "../test_helper"

class MailboxTest < RotaTest
  def test_messages_arrive_in_their_order
    got = Rota.run do
      reader = Rota.spin { Array.new(3) { Rota.receive } }
      reader << 1 << 2
      Rota.snooze
      reader << 3
      reader.await
    end
    assert_equal [1, 2, 3], got
  end

  def test_exceptions_arrive_as_values
    error = ArgumentError.new("a value")
    got = Rota.run do
      reader = Rota.spin { Rota.receive }
      reader << error
      reader.await
    end
    assert_same error, got
  end

  def test_receive_loop_ends_with_stop_iteration
    got = Rota.run do
      seen = []
      reader = Rota.spin do
        Rota.receive_loop { |message| message == :stop ? raise(StopIteration) : seen << message }
      end
      reader << 1 << :stop << 2
      reader.await
      seen
    end
    assert_equal [1], got
  end

  def test_receive_all_pending_does_not_wait
    got = Rota.run do
      Rota.current << 1 << 2
      [Rota.receive_all_pending, Rota.receive_all_pending]
    end
    assert_equal [[1, 2], []], got
  end

  def test_a_message_to_a_dead_task_resumes_nobody
    Rota.run do
      dead = Rota.spin { nil }
      dead.await
      sleeper = Rota.spin { Rota.sleep(0.005) }
      dead << 1
      assert_equal 0, sleeper.await
    end
  end

  def test_a_message_from_another_thread_wakes_the_reader
    got = Rota.run do
      me = Rota.current
      thread = Thread.new { me << :hello }
      message = Rota.receive
      thread.join
      message
    end
    assert_equal :hello, got
  end

  def test_monitor_puts_the_end_into_the_mailbox_and_routes_the_failure_as_before
    Rota.run do
      watcher = Rota.current
      good = Rota.spin { :value }
      watcher.monitor(good)
      good.await
      assert_equal [good, :value], Rota.receive

      bad = Rota.spin { raise "bad" }
      watcher.monitor(bad)
      assert_raises(RuntimeError) { Rota.sleep(1) }
      assert_equal bad, Rota.receive.first
    end
  end

  def test_monitoring_a_dead_task_tells_at_once
    Rota.run do
      task = Rota.spin { 1 }
      task.await
      Rota.current.monitor(task)
      assert_equal [[task, 1]], Rota.receive_all_pending
    end
  end

  def test_monitoring_a_task_of_another_thread_that_ends_meanwhile
    tasks = Thread::Queue.new
    ends = Thread::Queue.new
    thread = Thread.new { Rota.run { tasks << Rota.spin { ends.pop } } }
    other = tasks.pop
    other.define_singleton_method(:dead?) { super().tap { ends << :ended and thread.join } }
    Rota.run do |root|
      root.monitor(other)
      ends << :ended
      assert_equal [other, :ended], Rota.receive
    end
    thread.join
  end

  def test_unmonitor
    Rota.run do
      task = Rota.spin { 1 }
      Rota.current.monitor(task).unmonitor(task)
      task.await
      assert_empty Rota.receive_all_pending
    end
  end

  def test_only_tasks_are_monitored
    Rota.run do |root|
      assert_raises(TypeError) { root.monitor(3) }
      assert_raises(TypeError) { root.unmonitor(nil) }
    end
  end

  def test_awaits_do_not_take_messages_of_others
    Rota.run do
      Rota.current << :mine
      assert_equal 1, Rota.spin { 1 }.await
      assert_equal :mine, Rota.receive
    end
  end
end
