# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Rota.spin and the life of a task.
class TaskTest < RotaTest
  # A program may have one, as those have that hand things on to fibers.
  def test_a_task_that_is_ended_while_its_fiber_is_made
    output, errors, status = run_ruby(<<~RUBY)
      require "rota"
      $task = nil
      Fiber.prepend(Module.new { def initialize(...) = [$task&.terminate, super] })
      Rota.run do
        $task = Rota.spin { print "never entered" }
        p $task.await
        $task = nil
        p Rota.loop.stats[:tasks_alive]
      end
    RUBY
    assert_equal ["nil\n1\n", true], [output, status.success?], errors
  end

  def test_spin_never_runs_the_block_at_once
    order = []
    Rota.run do
      Rota.spin { order << :task }
      order << :spinner
    end
    assert_equal %i[spinner task], order
  end

  def test_tasks_run_in_the_order_in_which_they_were_spun
    order = []
    Rota.run { 5.times { |i| Rota.spin { order << i } } }
    assert_equal [0, 1, 2, 3, 4], order
  end

  def test_spin_needs_a_block
    Rota.run { assert_raises(LocalJumpError, ArgumentError) { Rota.spin } }
  end

  def test_has_the_tag_that_it_was_given
    assert_equal(:reader, Rota.run { Rota.spin(:reader) { nil }.tag })
  end

  def test_the_tag_can_be_changed
    assert_equal("b", Rota.run { Rota.spin("a") { nil }.tap { |task| task.tag = "b" }.tag })
  end

  def test_the_location_is_the_place_of_the_spin
    location = Rota.run { Rota.spin { nil }.location }
    assert_equal "#{__FILE__}:#{__LINE__ - 1}", location
  end

  def test_current_is_the_task_that_runs
    pair = Rota.run do
      task = Rota.spin { Rota.current }
      [task, task.await]
    end
    assert_same(*pair)
  end

  def test_the_parent_is_the_task_that_spun_it
    pair = Rota.run { |root| [root, Rota.spin { nil }.parent] }
    assert_same(*pair)
  end

  def test_a_dead_task_has_no_parent
    assert_nil(Rota.run { Rota.spin { nil }.tap(&:await).parent })
  end

  def test_the_root_task_has_no_parent
    assert_nil Rota.run(&:parent)
  end

  def test_children_are_those_alive
    assert(Rota.run do |root|
      first = Rota.spin { nil }
      second = Rota.spin { Rota.suspend }
      first.await
      root.children.eql?([second]).tap { second.stop }
    end)
  end

  def test_a_child_of_another_task
    Rota.run do
      other = Rota.spin { Rota.suspend }
      Rota.snooze
      child = other.spin { Rota.suspend }
      assert_same other, child.parent
      other.stop
    end
  end

  def test_a_dead_task_gets_no_children
    Rota.run do
      task = Rota.spin { nil }.tap(&:await)
      assert_raises(Rota::Error) { task.spin { nil } }
    end
  end

  def test_its_children_end_when_its_block_has_ended
    ended = []
    Rota.run do
      task = Rota.spin do
        Rota.spin { suspend_ensuring { ended << :child } }
        Rota.snooze
        :value
      end
      ended << task.await
    end
    assert_equal %i[child value], ended
  end

  # The guide says so early: a parent that ends at once never sees its children begin.
  def test_a_child_that_has_not_begun_when_its_parent_ends_is_never_entered
    entered = false
    Rota.run { Rota.spin { Rota.spin { entered = true } }.await }
    refute entered
  end

  def test_break_out_of_the_block_is_a_local_jump_error
    Rota.run { assert_raises(LocalJumpError) { Rota.spin { break 1 }.await } }
  end

  def test_states_of_a_life
    states = Rota.run do
      task = Rota.spin do
        seen = Rota.current.state
        Rota.suspend
        seen
      end
      before = task.state
      Rota.snooze
      waiting = task.state
      task.schedule
      woken = task.state
      running = task.await
      [before, running, waiting, woken, task.state]
    end
    assert_equal %i[runnable running waiting runnable dead], states
  end

  # Who waits may be the one whose fiber runs the loop: it does not run itself.
  def test_the_state_seen_from_another_thread_is_that_of_the_task
    root = nil
    thread = Thread.new { Rota.run { |task| (root = task) && Rota.suspend } }
    Thread.pass until root && root.state == :waiting # else the watchdog tells
    root.schedule
    thread.join
  end

  def test_alive_until_it_is_dead
    assert_equal([true, false], Rota.run do
      task = Rota.spin { nil }
      [task.alive?, task.tap(&:await).alive?]
    end)
  end

  def test_the_result_of_an_ended_task
    assert_equal([nil, 9], Rota.run do
      task = Rota.spin { 9 }
      [task.result, task.tap(&:await).result]
    end)
  end

  def test_the_result_of_a_failed_task_is_its_exception
    Rota.run do
      task = Rota.spin { raise KeyError }
      assert_raises(KeyError) { task.await }
      assert_instance_of KeyError, task.result
    end
  end

  def test_the_fiber_is_known_only_while_it_lives
    fibers = Rota.run do
      task = Rota.spin { Rota.current.fiber.equal?(Fiber.current) }
      [task.fiber, task.await, task.fiber]
    end
    assert_equal [nil, true, nil], fibers
  end

  def test_the_fiber_is_not_blocking
    refute(Rota.run { Rota.spin { Fiber.current.blocking? }.await })
  end

  def test_the_thread
    assert_same(Thread.current, Rota.run { Rota.spin { nil }.thread })
  end

  def test_inspect_shows_tag_place_and_state
    text = Rota.run { Rota.spin(:web) { nil }.inspect }
    assert_match(/\A#<Rota::Task :web .*task_test\.rb:\d+ \(runnable\)>\z/, text)
  end

  def test_suspend_returns_what_it_was_scheduled_with
    assert_equal(5, Rota.run do
      task = Rota.spin { Rota.suspend }
      Rota.snooze
      task.schedule(5).await
    end)
  end

  def test_an_exception_that_is_scheduled_is_a_value
    error = KeyError.new
    got = Rota.run do
      task = Rota.spin { Rota.suspend }
      Rota.snooze
      task.schedule(error).await
    end
    assert_same error, got
  end

  def test_a_second_schedule_before_it_ran_is_dropped
    got = Rota.run do
      task = Rota.spin { [Rota.suspend, Rota.move_on_after(0.005, with_value: :none) { Rota.suspend }] }
      Rota.snooze
      task.schedule(1)
      task.schedule(2)
      task.await
    end
    assert_equal [1, :none], got
  end

  def test_a_schedule_of_a_task_that_waits_for_something_else_is_dropped
    got = Rota.run do
      other = Rota.spin do
        Rota.sleep 0.005
        :end
      end
      task = Rota.spin { other.await }
      Rota.snooze
      task.schedule(:nonsense)
      task.await
    end
    assert_equal :end, got
  end

  def test_schedule_of_a_dead_task_resumes_nobody
    got = Rota.run do
      dead = Rota.spin { nil }.tap(&:await)
      heir = Rota.spin { Rota.suspend } # on the dead one's fiber
      Rota.snooze
      dead.schedule(:wrong)
      Rota.snooze
      heir.schedule(:right).await
    end
    assert_equal :right, got
  end

  def test_schedule_from_another_thread
    got = Rota.run do
      task = Rota.spin { Rota.suspend }
      Rota.snooze
      Thread.new { task.schedule(:thread) }
      task.await
    end
    assert_equal :thread, got
  end

  def test_raise_at_the_next_switchpoint
    Rota.run do
      task = Rota.spin { Rota.suspend }
      Rota.snooze
      task.raise(KeyError, "now")
      assert_equal "now", assert_raises(KeyError) { task.await }.message
    end
  end

  def test_raise_takes_all_forms_of_kernel_raise
    forms = { [] => RuntimeError, ["text"] => RuntimeError, [KeyError] => KeyError, [KeyError.new("x")] => KeyError,
              [KeyError, "m", ["here:1"]] => KeyError }
    Rota.run do
      forms.each do |arguments, expected|
        task = Rota.spin { Rota.suspend }
        Rota.snooze
        task.raise(*arguments)
        assert_raises(expected) { task.await }
      end
    end
  end

  def test_raise_takes_a_cause_as_kernel_raise
    cause = IOError.new("before")
    inner = RuntimeError.new("inner")
    forms = [["text", { cause: cause }], [KeyError, { cause: cause }], [KeyError, "m", ["here:1"], { cause: nil }],
             [KeyError, { cause: cause, other: 1 }], [KeyError, { other: 1 }],
             [{ cause: cause }], ["text", { cause: 3 }], [inner, { cause: inner }]]
    Rota.run do
      forms.each do |*arguments, options|
        expected = caught(StandardError) { Kernel.raise(*arguments, **options) }
        actual = caught(StandardError) { waiting.raise(*arguments, **options).await }
        assert_equal [expected.class, expected.message, expected.cause],
                     [actual.class, actual.message, actual.cause], arguments.inspect
      end
      assert_same cause, caught(StandardError) { Rota.current.raise("text", cause: cause) }.cause
      Rota.current.children.each(&:terminate)
    end
  end

  def test_raise_refuses_causes_in_a_circle
    outer = IOError.new("outer")
    inner = caught(KeyError) { raise KeyError, "inner", cause: outer }
    Rota.run { assert_raises(ArgumentError) { Rota.current.raise(outer, cause: inner) } }
  end

  def test_raise_can_be_rescued_and_the_task_goes_on
    got = Rota.run do
      task = Rota.spin { rescued(KeyError, :rescued) { Rota.suspend } }
      Rota.snooze
      task.raise(KeyError)
      task.await
    end
    assert_equal :rescued, got
  end

  def test_several_raises_arrive_one_by_one
    got = Rota.run do
      task = Rota.spin do
        Array.new(2) { caught(StandardError) { Rota.suspend }.message }
      end
      Rota.snooze
      task.raise("one")
      task.raise("two")
      task.await
    end
    assert_equal %w[one two], got
  end

  def test_raise_in_a_task_that_has_not_begun_fails_it_without_entering
    entered = false
    Rota.run do
      task = Rota.spin { entered = true }
      task.raise(KeyError)
      assert_raises(KeyError) { task.await }
    end
    refute entered
  end

  def test_raise_in_the_current_task_raises_at_once
    assert_raises(KeyError) { Rota.run { |task| task.raise(KeyError) } }
  end

  def test_raise_in_a_dead_task_does_nothing
    assert_equal(1, Rota.run { Rota.spin { 1 }.tap(&:await).raise(KeyError).await })
  end

  def test_raise_from_another_thread
    Rota.run do
      task = Rota.spin { Rota.suspend }
      Rota.snooze
      Thread.new { task.raise(KeyError) }
      assert_raises(KeyError) { task.await }
    end
  end

  def test_cancel_is_not_rescued_by_a_plain_rescue
    Rota.run do
      task = Rota.spin { rescued(StandardError, :swallowed) { Rota.suspend } }
      Rota.snooze
      task.cancel
      assert_raises(Rota::Cancel) { task.await }
    end
  end

  def test_cancel_with_an_exception
    Rota.run do
      task = Rota.spin { Rota.suspend }
      Rota.snooze
      task.cancel(KeyError.new("mine"))
      assert_equal "mine", assert_raises(KeyError) { task.await }.message
    end
  end

  def test_a_cancel_that_nobody_awaits_interrupts_the_parent
    assert_raises(Rota::Cancel) do
      Rota.run do
        task = Rota.spin { Rota.suspend }
        Rota.snooze
        task.cancel
        Rota.sleep
      end
    end
  end

  def test_stop_ends_it_with_the_value
    assert_equal(6, Rota.run do
      task = Rota.spin { Rota.suspend }
      Rota.snooze
      task.stop(6).await
    end)
  end

  def test_stop_runs_ensure_blocks
    assert_equal([:ensured], Rota.run do
      seen = []
      task = Rota.spin { suspend_ensuring { seen << :ensured } }
      Rota.snooze
      task.stop.await
      seen
    end)
  end

  def test_stop_before_the_first_run_never_enters_the_block
    entered = false
    got = Rota.run { Rota.spin { entered = true }.stop(:value).await }
    assert_equal [:value, false], [got, entered]
  end

  # The worker has the task already when a task before it in line ends it.
  def test_stop_by_a_task_that_ran_just_before_never_enters_the_block
    entered = false
    got = Rota.run do
      victim = nil
      Rota.spin { victim.stop(:value) }
      victim = Rota.spin { entered = true }
      victim.await
    end
    assert_equal [:value, false], [got, entered]
  end

  def test_terminate_then_await_gives_nil
    assert_nil(Rota.run do
      task = Rota.spin do
        Rota.suspend
        1
      end
      Rota.snooze
      task.terminate.await
    end)
  end

  def test_terminate_interrupts_nobody
    assert_equal(:fine, Rota.run do
      task = Rota.spin { Rota.suspend }
      Rota.snooze
      task.terminate
      Rota.snooze
      :fine
    end)
  end

  def test_a_task_that_ended_itself_by_stop_has_the_value
    assert_equal(3, Rota.run do
      Rota.spin do
        Rota.current.stop(3)
        4
      end.await
    end)
  end

  # Nothing of a task is seen by the next one on its fiber.
  def test_fiber_locals_do_not_reach_the_next_task
    assert_equal([1, nil], Rota.run do
      [Rota.spin { Thread.current[:rota_test] = 1 }.await,
       Rota.spin { Thread.current[:rota_test] }.await]
    end)
  end

  def test_instance_variables_of_the_fiber_do_not_reach_the_next_task
    got = Rota.run do
      Rota.spin { Fiber.current.instance_variable_set(:@rota_test, 1) }.await
      Rota.spin { Fiber.current.instance_variable_get(:@rota_test) }.await
    end
    assert_nil got
  end

  def test_the_rescued_exception_does_not_reach_the_next_task
    Rota.run do
      assert_raises(KeyError) { Rota.spin { raise KeyError }.await }
      assert_nil Rota.spin { $! }.await
    end
  end

  def test_a_fiber_that_a_task_left_nothing_on_is_used_again
    fibers = Rota.run { Array.new(2) { Rota.spin { Fiber.current }.await } }
    assert_same(*fibers)
  end

  if Fiber.respond_to?(:[])
    def test_storage_is_inherited_from_the_spinner
      got = Rota.run do
        Fiber[:rota_test] = 1
        task = Rota.spin do
          Fiber[:rota_test]
        end
        Fiber[:rota_test] = 2
        task.await
      end
      assert_equal 1, got
    end

    def test_storage_does_not_reach_the_next_task
      assert_nil(Rota.run do
        Rota.spin { Fiber[:rota_test] = 1 }.await
        Rota.spin { Fiber[:rota_test] }.await
      end)
    end

    def test_storage_does_not_reach_the_spinner
      assert_nil(Rota.run do
        Rota.spin { Fiber[:rota_test] = 1 }.await
        Fiber[:rota_test]
      end)
    end
  end
end
