# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Rota.run: entering and leaving.
class RunTest < RotaTest
  def test_returns_the_value_of_the_block
    assert_equal(42, Rota.run { 42 })
  end

  def test_gives_the_root_task_to_the_block
    assert_same(*Rota.run { |task| [task, Rota.current] })
  end

  def test_raises_what_the_block_raises
    error = assert_raises(KeyError) { Rota.run { raise KeyError, "gone" } }
    assert_equal "gone", error.message
  end

  def test_waits_for_the_tasks_spun_in_it
    seen = []
    Rota.run do
      Rota.spin do
        Rota.snooze
        seen << :late
      end
    end
    assert_equal [:late], seen
  end

  def test_a_root_task_that_is_stopped_or_terminated_waits_for_nobody
    ended = []
    ends = [->(root) { root.stop(3) }, lambda(&:terminate)]
    values = ends.map do |end_it|
      Rota.run do |root|
        waiting { suspend_ensuring { ended << :child } }
        end_it[root]
      end
    end
    assert_equal [3, nil], values
    assert_equal %i[child child], ended
  end

  def test_a_root_task_that_a_child_stops_meanwhile
    value = Rota.run do |root|
      waiting
      Rota.spin { root.stop(4) }
      Rota.sleep
    end
    assert_equal 4, value
  end

  def test_waits_for_tasks_of_tasks_that_were_spun_while_it_waited
    seen = []
    Rota.run do |root|
      Rota.spin do
        root.spin do
          Rota.snooze
          seen << :grandchild
        end
      end
    end
    assert_equal [:grandchild], seen
  end

  def test_a_raising_block_ends_its_tasks_first
    order = []
    assert_raises(RuntimeError) do
      Rota.run do
        Rota.spin { Rota.suspend } # never entered
        Rota.spin { begin Rota.suspend ensure order << :child end }
        Rota.snooze
        raise "out"
      end
      order << :never
    end
    assert_equal [:child], order
  end

  def test_raises_the_failure_of_a_task_that_nobody_awaits
    assert_raises(KeyError) { Rota.run { Rota.spin { raise KeyError } } }
  end

  def test_an_exception_as_the_value_is_a_value
    assert_instance_of(KeyError, Rota.run { KeyError.new("just an object") })
  end

  def test_inside_a_task_it_is_a_scope
    loops = Rota.run { [Rota.loop, Rota.run { Rota.loop }] }
    assert_same(*loops)
  end

  def test_inside_a_task_it_waits_for_its_own_tasks_only
    seen = []
    Rota.run do
      outer = Rota.spin { Rota.suspend }
      Rota.run do
        Rota.spin do
          Rota.snooze
          seen << :inner
        end
      end
      seen << outer.alive?
      outer.stop
    end
    assert_equal [:inner, true], seen
  end

  def test_inside_a_task_it_takes_no_options
    Rota.run { assert_raises(ArgumentError) { Rota.run(entries: 8) { nil } } }
  end

  def test_needs_a_block
    assert_raises(ArgumentError) { Rota.run }
  end

  def test_refuses_unknown_options
    error = assert_raises(ArgumentError) { Rota.run(bufers: 3) { nil } }
    assert_includes error.message, "bufers"
  end

  def test_can_be_entered_again_and_again
    assert_equal [0, 1, 2], Array.new(3) { |i| Rota.run { Rota.spin { i }.await } }
  end

  def test_can_be_entered_again_after_a_failure
    assert_raises(RuntimeError) { Rota.run { raise "once" } }
    assert_equal(1, Rota.run { 1 })
  end

  def test_leaves_no_loop_behind
    Rota.run { nil }
    assert_nil Rota.loop?
  end

  def test_leaves_no_loop_behind_after_a_failure
    assert_raises(RuntimeError) { Rota.run { raise "out" } }
    assert_nil Rota.loop?
  end

  # As a trap handler may, in the middle of the end.
  def test_can_be_entered_again_after_an_exception_at_its_end
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      raising = [:scheduler, :trap]
      Rota::Scheduler.prepend(Module.new do
        define_method(:scheduler_close) { super().tap { raise KeyError if raising.delete(:scheduler) } }
      end)
      Rota::Signals.singleton_class.prepend(Module.new do
        define_method(:trap) do |signal, handler|
          super(signal, handler).tap { raise KeyError if signal == "INT" && handler == "DEFAULT" && raising.delete(:trap) }
        end
      end)
      2.times do
        Rota.run { 1 }
      rescue KeyError => e
        p e.class
      end
      p Rota.run { 2 }, raising, trap(:INT, "DEFAULT"), trap(:TERM, "DEFAULT")
    RUBY
    assert_equal ["KeyError\n2\n[]\n\"DEFAULT\"\n\"DEFAULT\"\n", ""], [out, err]
  end

  def test_refuses_a_thread_with_another_scheduler
    # The error is about the thread: a scheduler that does nothing is enough.
    scheduler = Class.new do
      def block(*) = nil
      def unblock(*) = nil
      def kernel_sleep(*) = nil
      def io_wait(*) = nil
      def fiber_interrupt(*) = nil
      def close = nil
    end
    error = Thread.new do
      Fiber.set_scheduler(scheduler.new)
      Rota.run { nil }
    rescue Rota::Error => e
      e
    ensure
      Fiber.set_scheduler(nil)
    end.value
    assert_instance_of Rota::Error, error
  end

  def test_each_thread_has_a_run_of_its_own
    values = Array.new(4) do |i|
      Thread.new do
        Rota.run do
          Rota.spin do
            Rota.sleep 0.001
            i
          end.await
        end
      end
    end.map(&:value)
    assert_equal [0, 1, 2, 3], values
  end

  def test_each_thread_has_a_loop_of_its_own
    ids = Array.new(3) do
      Thread.new do
        Rota.run do
          Rota.sleep(0.01)
          Rota.loop.object_id
        end
      end
    end.map(&:value)
    assert_equal 3, ids.uniq.size
  end

  def test_a_thread_may_run_while_the_main_thread_runs
    assert_equal(:inner, Rota.run do
      Thread.new do
        Rota.run do
          Rota.sleep 0.001
          :inner
        end
      end.value
    end)
  end

  # Nobody could use what it yields; swallowing it would lose the fiber.
  def test_a_stray_fiber_yield_in_the_root_task_raises_there
    assert_raises(FiberError) { Rota.run { Fiber.yield 1 } }
  end

  def test_a_rescued_stray_fiber_yield_does_no_harm
    value = Rota.run do
      Fiber.yield 1
    rescue FiberError
      Rota.spin { 7 }.await
    end
    assert_equal 7, value
  end

  def test_can_be_called_from_a_fiber
    assert_equal 5, Fiber.new {
      Rota.run {
        Rota.spin {
          Rota.sleep(0.001)
          5
        }.await
      }
    }.resume
  end

  # The fiber was reached by transfer: whoever ends inside of the run must not return to its creator.
  def test_can_be_called_from_a_fiber_that_was_reached_by_transfer
    main = Fiber.current
    result = nil
    fiber = Fiber.new do
      result = Rota.run do
        Array.new(5) do |i|
          Rota.spin do
            Rota.sleep(0.001)
            i
          end
        end.map(&:await)
      end
      main.transfer
    end
    fiber.transfer
    assert_equal [0, 1, 2, 3, 4], result
  end

  def test_exit_in_the_block_leaves_with_its_status
    assert_equal 3, assert_raises(SystemExit) { Rota.run { exit 3 } }.status
  end

  def test_exit_in_a_task_leaves_with_its_status
    assert_equal 4, assert_raises(SystemExit) {
      Rota.run {
        Rota.spin { exit 4 }
        Rota.sleep
      }
    }.status
  end

  def test_throw_out_of_it_finds_no_catch
    # The block runs on a fiber of its own; Ruby says so instead of losing the tasks.
    assert_raises(UncaughtThrowError) { catch(:out) { Rota.run { throw :out } } }
  end

  # A signal, before the run has done anything.
  def test_an_exception_in_its_first_line
    early = TracePoint.new(:call) { |call| raise KeyError, "early" if call.method_id == :masked }
    error = early.enable { caught(KeyError) { Rota.run { flunk } } }
    assert_equal "early", error.message
    assert_equal 1, Rota.run { 1 }
  end
end
