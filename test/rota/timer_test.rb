# frozen_string_literal: true

require_relative "../test_helper"

class TimerTest < RotaTest
  def setup
    super
    @timer = Rota::Timer.new(resolution: 0.002)
  end

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

  def seconds
    start = now
    yield
    now - start
  end

  def test_after_a_time_that_is_over
    Rota.run { [0, -1].each { |seconds| assert_equal :done, @timer.after(seconds) { :done }.await } }
  end

  def test_every_gives_nil_when_its_block_stops
    items = [1].each
    Rota.run { assert_nil(@timer.every(0.001) { items.next }) }
  end

  def test_stop_by_one_of_its_tasks_ends_the_others
    Rota.run do
      timer = Rota::Timer.new(resolution: 0.001)
      tasks = [9, 0.001, 9].map { |seconds| timer.after(seconds) { timer.stop } }
      tasks.each { |task| assert_nil task.await }
    end
  end

  def test_sleep_is_never_short
    Rota.run do
      assert_operator seconds { @timer.sleep(0.005) }, :>=, 0.005
      assert_equal 0, @timer.sleep(0)
    end
    assert_raises(ArgumentError) { Rota::Timer.new(resolution: 0) }
  end

  def test_sleepers_come_due_together
    Rota.run do
      timer = Rota::Timer.new(resolution: 0.05)
      before = Rota.loop.stats[:turns]
      100.times { |i| Rota.spin { timer.sleep(0.0001 * i) } }
      Rota.current.children.each(&:await)
      assert_operator Rota.loop.stats[:turns] - before, :<=, 20
    end
  end

  def test_after
    Rota.run do
      start = now
      task = @timer.after(0.005) { now }
      assert_operator task.await - start, :>=, 0.005
      assert_raises(ArgumentError) { @timer.after(1) }
    end
  end

  def test_every
    Rota.run do
      start = now
      times = []
      @timer.every(0.004) { (times << now).size == 3 and break }
      times.each_with_index { |time, i| assert_operator time - start, :>=, 0.004 * (i + 1) }
    end
  end

  def test_every_skips_what_it_missed
    Rota.run do
      calls = 0
      task = Rota.spin do
        @timer.every(0.002) do
          calls += 1
          Rota.sleep(0.02)
        end
      end
      Rota.sleep(0.05)
      task.terminate
      task.await
      assert_operator calls, :<=, 3
    end
  end

  def test_deadlines_nest_by_identity
    Rota.run do
      assert_equal :inner, @timer.move_on_after(10) { @timer.move_on_after(0.001, with_value: :inner) { Rota.sleep } }
      assert_equal :outer, @timer.move_on_after(0.001, with_value: :outer) { @timer.move_on_after(10) { Rota.sleep } }
      assert_equal 5, @timer.move_on_after(10) { 5 }
      assert_raises(Rota::TimeoutError) { @timer.cancel_after(0.001) { Rota.sleep } }
      assert_raises(IOError) { @timer.cancel_after(0.001, with_exception: IOError) { Rota.sleep } }
      assert_equal :zero, @timer.move_on_after(0, with_value: :zero) { Rota.sleep }
    end
  end

  def test_reset_moves_the_innermost_deadline
    Rota.run do
      elapsed = seconds do
        @timer.move_on_after(0.02) do
          3.times do
            Rota.sleep(0.01)
            assert_same @timer, @timer.reset
          end
          Rota.sleep
        end
      end
      assert_operator elapsed, :>=, 0.05
      assert_same @timer, @timer.reset
    end
  end

  def test_stop
    Rota.run do
      ended = []
      every = Rota.spin { @timer.every(10) { flunk } and ended << :every }
      after = @timer.after(10) { flunk }
      open = Rota.spin { @timer.move_on_after(0.01, with_value: :late) { Rota.sleep(0.03) and :done } }
      3.times { Rota.snooze }
      assert_same @timer, @timer.stop
      assert_nil every.await
      assert_nil after.await
      assert_equal :done, open.await
      assert_raises(Rota::Error) { @timer.sleep(1) }
    end
  end

  # By another thread, between the look whether it was stopped and the note of what is to be ended.
  def test_stop_in_the_middle_of_a_call
    Rota.run do
      after = stopped_while_it_computes.after(0.002) { flunk }
      assert_nil after.await
      assert_equal :done, stopped_while_it_computes.move_on_after(0.002) { Rota.sleep(0.01) && :done }
      assert_equal :done, stopped_while_it_computes.cancel_after(0.002) { Rota.sleep(0.01) && :done }
      assert_equal :done, stopped_while_it_computes.cancel_after(0) { Rota.snooze || :done }
    end
  end

  # In a process of its own: Ruby 3.1 crashed, see Timer#after.
  def test_stop_after_the_collector_moved_objects
    out, errors, status = run_ruby(<<~RUBY)
      require "rota"
      timer = Rota::Timer.new(resolution: 0.01)
      Rota.run do
        40.times do
          timer.after(10) { nil }
          GC.compact if GC.respond_to?(:compact)
        end
        timer.stop
        Rota.current.children.each(&:await)
        puts "stopped"
      end
    RUBY
    assert_predicate status, :success?, errors
    assert_equal "stopped\n", out
  end

  def test_for_ever
    Rota.run do
      assert_equal 1, @timer.cancel_after(Float::INFINITY) { 1 }
      assert_equal 2, @timer.move_on_after(Float::INFINITY) { @timer.reset && 2 }
      waiting = @timer.after(Float::INFINITY) { flunk }
      assert_nil Rota.move_on_after(0.002) { waiting.await }
      @timer.stop
    end
  end

  def test_arguments
    assert_raises(ArgumentError) { Rota::Timer.new(resolution: 0) }
    assert_raises(TypeError) { Rota::Timer.new(resolution: "1") }
    Rota.run do
      %i[sleep after every cancel_after move_on_after].each do |name|
        assert_raises(TypeError, name.to_s) { @timer.send(name, "1") { flunk } }
      end
      assert_empty Rota.current.children
    end
  end

  private

  def stopped_while_it_computes
    Rota::Timer.new(resolution: 0.001).tap do |timer|
      timer.define_singleton_method(:coarse) { |seconds| super(seconds).tap { Thread.new { stop }.join } }
    end
  end
end
