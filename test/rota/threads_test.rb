# frozen_string_literal: true

require_relative "../test_helper"

# Loops in several threads: what one does to the tasks of another.
class ThreadsTest < RotaTest
  # A loop that sleeps is woken once, however much comes before it runs.
  def test_one_wake_up_for_a_burst
    queue = Rota::Queue.new
    thread = Thread.new do
      Rota.run do
        queue.pop until queue.closed?
        Rota.loop.stats[:wakes_written]
      end
    end
    Thread.pass until queue.num_waiting == 1 && thread.status == "sleep"
    1000.times { |i| queue << i }
    queue.close
    assert_includes 1..100, thread.value
  end

  def test_none_for_who_is_awake
    Rota.run do
      thread = Thread.new { Rota.run { 1000.times { Rota.snooze } && Rota.loop.stats[:wakes_written] } }
      assert_operator thread.value, :<=, 1
    end
  end

  def test_await_of_a_task_whose_thread_is_killed
    Rota.run do
      task, thread = foreign_task { Rota.sleep }
      waiting = [Rota.spin { [:await, task.await] }, Rota.spin { [:join, task.join.equal?(task)] },
                 Rota.spin { [:select, Rota.select(task).first.equal?(task)] }]
      Rota.sleep(0.002)
      thread.kill
      assert_equal [[:await, nil], [:join, true], [:select, true]], Rota::Task.await(*waiting)
      thread.join
      assert_predicate task, :dead?
    end
  end

  def test_a_plain_thread_awaits_a_task_of_a_thread_that_ends
    task, thread = foreign_task { Rota.sleep(0.005) && :done }
    assert_equal :done, task.value
    thread.join
  end

  def test_a_thread_without_a_loop_awaits
    Rota.run do
      task = Rota.spin { Rota.sleep(0.01) && :done }
      asked = { await: :done, value: :done, join: task }.map do |verb, expected|
        [Thread.new { task.send(verb) }, expected]
      end
      asked << [Thread.new { Rota::Task.await(task, task) }, %i[done done]]
      asked.each { |thread, expected| assert_equal expected, thread.value }
      assert_equal :done, Thread.new { task.await }.value
      assert_equal [:done], Thread.new { Rota::Task.await(task) }.value
    end
  end

  def test_a_thread_without_a_loop_waits_so_long
    Rota.run do
      task = waiting
      assert_nil Thread.new { task.join(0.001) }.value
      assert_kind_of Rota::TimeoutError, Thread.new { caught(Rota::TimeoutError) { task.await(0.001) } }.value
      task.stop
    end
  end

  def test_a_thread_without_a_loop_hears_of_failures
    Rota.run do
      task, other = Array.new(2) { waiting }
      threads = [Thread.new { caught(KeyError) { task.value } },
                 Thread.new { caught(KeyError) { Rota::Task.await(other, task) } }]
      Rota.sleep(0.001) until threads.all?(&:stop?)
      task.raise(KeyError, "it")
      threads.each { |thread| assert_equal "it", thread.value.message }
      other.stop
    end
  end

  def test_a_killed_thread_without_a_loop_leaves_the_lines
    Rota.run do
      tasks = Array.new(3) { waiting }
      threads = [Thread.new { Rota::Task.await(*tasks) }, Thread.new { tasks.first.join }]
      Rota.sleep(0.001) until threads.all?(&:stop?)
      threads.each(&:kill).each(&:join)
      tasks.each(&:stop)
      assert_equal [nil, nil, nil], Rota::Task.await(*tasks)
    end
  end

  def test_a_thread_without_a_loop_asks_and_ends_tasks
    Rota.run do
      child = nil
      task = waiting { (child = waiting) && Rota.suspend }
      Rota.snooze
      assert_kind_of Array, Thread.new { task.backtrace }.value
      asking = Thread.new { task.await_all_children }
      Rota.sleep(0.001) until asking.stop?
      child.stop(:child)
      assert_equal [:child], asking.value
      parent = waiting { waiting && Rota.suspend }
      Rota.snooze
      assert_same parent, Thread.new { parent.shutdown_all_children(graceful: true, deadline: 1) }.value
      assert_empty parent.children
      [task, parent].each(&:stop)
    end
  end

  def test_failures_go_to_who_awaits_in_another_thread
    Rota.run do
      task, thread = foreign_task { Rota.sleep(0.005) && raise(KeyError, "there") }
      assert_equal "there", assert_raises(KeyError) { task.await }.message
      thread.report_on_exception = false
      thread.join(5)
    rescue KeyError # of the thread's run, if it failed before somebody awaited the task
      nil
    end
  end

  def test_select_over_what_others_threads_do
    Rota.run do
      queue = Rota::Queue.new
      task, thread = foreign_task { Rota.sleep }
      other = Thread.new { sleep(0.002) && queue.push(:item) }
      assert_equal [queue, :item], Rota.select(task, queue)
      other.join
      task.stop(7)
      assert_equal [task, 7], Rota.select(task, queue)
      thread.join
    end
  end

  def test_raise_and_cancel_in_a_read_of_another_thread
    reader, writer = IO.pipe
    task, thread = foreign_task do
      Rota.loop.read(reader, 10)
    rescue IndexError
      Rota.loop.read(reader, 10)
    end
    task.raise(IndexError)
    writer.write("kept")
    assert_equal "kept", task.value
    thread.join
    [reader, writer].each(&:close)
  end

  def test_messages_cross_threads_in_their_order
    Rota.run do
      task, thread = foreign_task { Array.new(100) { Rota.receive } }
      100.times { |i| task << i }
      assert_equal (0...100).to_a, task.await
      thread.join
    end
  end

  def test_the_end_of_a_thread_gives_back_what_its_loop_had
    ends = IO.pipe
    before = Leaks.descriptors.size
    20.times do
      thread = Thread.new { Rota.run { Rota.spin { Rota.loop.poll(ends.first, IO::READABLE) }.await } }
      Thread.pass until thread.status == "sleep"
      thread.kill.join
    end
    GC.start
    assert_operator Leaks.descriptors.size - before, :<, 20
  ensure
    ends.each(&:close)
  end

  def test_a_failed_thread_is_reported
    _, err, status = run_ruby(<<~RUBY)
      require "rota"
      thread = Thread.new { Rota.run { Rota.spin { raise KeyError, "in a task" }; Rota.sleep } }
      begin
        thread.join
      rescue KeyError
        exit 3
      end
    RUBY
    assert_equal 3, status.exitstatus
    assert_match(/terminated with exception.*in a task/m, err)
  end

  private

  # => [task of a loop in another thread, the thread]
  def foreign_task(&block)
    made = Thread::Queue.new
    thread = Thread.new { Rota.run { made << Rota.spin(&block) } }
    [made.pop, thread]
  end
end
