# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# A busy run queue starves neither timers nor I/O, and a busy thread does not starve the loop.
class FairnessTest < RotaTest
  def test_timers_fire_while_tasks_only_snooze
    assert_equal 0, Rota.run { beside_busy_tasks { Rota.sleep(0.01) } }
  end

  def test_deadlines_fire_while_tasks_only_snooze
    assert_equal :late, Rota.run { beside_busy_tasks { Rota.move_on_after(0.01, with_value: :late) { Rota.suspend } } }
  end

  def test_reads_complete_while_tasks_only_snooze
    reader, writer = socket_pair
    got = Rota.run do
      beside_busy_tasks do
        read = Rota.spin { Rota.loop.read(reader, 10) }
        Rota.sleep(0.002)
        Rota.loop.write(writer, "through")
        read.await
      end
    end
    assert_equal "through", got
  end

  def test_reads_complete_while_tasks_spin_tasks
    reader, writer = socket_pair
    got = Rota.run do
      busy = Rota.spin { loop { Rota.spin { nil }.await } }
      read = Rota.spin { Rota.loop.read(reader, 10) }
      Rota.snooze
      writer.syswrite("through")
      read.await.tap { busy.terminate }
    end
    assert_equal "through", got
  end

  def test_a_schedule_from_another_thread_arrives_while_tasks_only_snooze
    got = Rota.run do |root|
      beside_busy_tasks do
        thread = Thread.new { sleep(0.005) && root.schedule(:woken) }
        Rota.suspend.tap { thread.join }
      end
    end
    assert_equal :woken, got
  end

  def test_who_never_waits_gets_no_more_turns_than_the_others
    turns = Rota.run do
      counts = [0, 0, 0]
      tasks = Array.new(3) { |i| Rota.spin { loop { (counts[i] += 1) && Rota.snooze } } }
      3000.times { Rota.snooze }
      tasks.each(&:terminate)
      counts
    end
    assert_operator turns.max - turns.min, :<=, 1
  end

  # Two that keep a pipe full and empty it never let the queue run dry.
  def test_a_timer_fires_beside_tasks_whose_io_is_always_ready
    reader, writer = socket_pair
    got = Rota.run do
      busy = [Rota.spin { loop { Rota.loop.write(writer, "x" * 100) } }, Rota.spin {
        loop {
          Rota.loop.read(reader, 100)
        }
      }]
      Rota.sleep(0.02).tap { busy.each(&:terminate) }
    end
    assert_equal 0, got
  end

  def test_beside_a_thread_that_computes
    stop = false
    thread = Thread.new { nil until stop }
    got = Rota.run do
      reader, writer = socket_pair
      read = Rota.spin { Rota.loop.read(reader, 10) }
      5.times { Rota.sleep(0.001) }
      writer.syswrite("through")
      read.await
    end
    assert_equal "through", got
  ensure
    stop = true
    thread.join
  end

  def test_two_threads_with_busy_loops
    got = Array.new(2) do
      Thread.new { Rota.run { beside_busy_tasks { Rota.sleep(0.01) } } }
    end.map(&:value)
    assert_equal [0, 0], got
  end

  private

  def beside_busy_tasks
    busy = Array.new(3) { Rota.spin { loop { Rota.snooze } } }
    yield
  ensure
    busy.each(&:terminate)
  end
end
