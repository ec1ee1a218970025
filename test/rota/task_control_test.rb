# frozen_string_literal: true

require_relative "../test_helper"

class TaskControlTest < RotaTest
  def test_an_end_that_is_told_may_end_the_next_one
    Rota.run do |root|
      parent = Rota.spin { :ended }
      first, second = Array.new(2) { parent.spin { flunk "never entered" } }
      mailbox = root.mailbox
      mailbox.define_singleton_method(:push) { |message| second.terminate; super(message) }
      root.monitor(first)
      assert_equal :ended, parent.await
      assert_equal [first, nil], root.mailbox.pop
      assert_predicate second, :dead?
    end
  end

  def test_the_last_child_detached_by_another_thread_wakes_who_waits
    Rota.run do
      child = nil
      scope = Rota.spin { Rota.spin_scope { child = Rota.spin { Rota.suspend } } }
      2.times { Rota.snooze }
      Thread.new { sleep 0.01; child.detach }
      start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      assert_same child, scope.await(2)
      assert_operator Process.clock_gettime(Process::CLOCK_MONOTONIC) - start, :<, 1
      child.terminate
    end
  end

  def test_a_task_detached_while_the_root_ends_ends_too
    ended = false
    assert_raises(IOError) do
      Rota.run do
        Rota.spin do
          worker = Rota.spin { begin Rota.suspend ensure ended = true end }
          begin Rota.suspend ensure worker.detach end
        end
        2.times { Rota.snooze }
        raise IOError
      end
    end
    assert ended
  end

  def test_who_comes_to_a_parent_that_ends_its_children_is_told_too
    Rota.run do
      gate = Rota::Event.new
      parent = Rota.spin do
        Rota.spin { begin Rota.suspend ensure Rota.shield { gate.await } end }
        Rota.snooze
      end
      moved = Rota.spin { Rota.suspend }
      3.times { Rota.snooze }
      assert_predicate parent, :alive?
      child = parent.spin { flunk "never entered" }
      moved.attach_to(parent)
      gate.signal
      parent.await
      [child, moved].each { |task| assert_predicate task, :dead? }
    end
  end

  # Its first parent ends a scope that it is not in, and has told it nothing.
  def test_who_comes_from_a_parent_that_ends_another_scope_is_told_too
    Rota.run do
      gate = Rota::Event.new
      held = -> { Rota.spin { begin Rota.suspend ensure Rota.shield { gate.await } end } }
      moved = nil
      former = Rota.spin do
        moved = Rota.spin { Rota.suspend }
        Rota.spin_scope do |scope|
          held.call
          Rota.snooze
          scope.stop
        end
      end
      parent = Rota.spin { held.call && Rota.snooze }
      4.times { Rota.snooze }
      [former, parent, moved].each { |task| assert_predicate task, :alive? }
      moved.attach_to(parent)
      2.times { Rota.snooze }
      assert_predicate moved, :dead?
      gate.signal
      [former, parent].each(&:await)
    end
  end

  def test_restart_of_a_task_that_waits_for_the_end_of_its_children
    Rota.run do
      gate = Rota::Event.new
      task = Rota.spin do |value|
        next value if value

        Rota.spin { begin Rota.suspend ensure Rota.shield { gate.await } end }
        Rota.snooze
      end
      3.times { Rota.snooze }
      assert_predicate task, :alive?
      task.restart(2)
      gate.signal
      assert_equal 2, task.await
    end
  end

  def test_the_end_of_a_task_is_a_switchpoint_for_a_restart
    Rota.run do
      queue = Rota::Queue.new
      task = Rota.spin { |value| value || queue.pop }
      Rota.snooze
      queue << 1 # beats what is raised in the same turn
      task.restart(2)
      assert_equal 2, task.await
    end
  end

  def test_a_child_that_ends_all_children_ends_itself_last
    Rota.run do |root|
      before = Rota.spin { Rota.suspend }
      Rota.spin { root.terminate_all_children }
      after = Rota.spin { Rota.suspend }
      [before, after].each { |task| assert_nil task.await }
    end
  end

  def test_an_await_that_is_interrupted_takes_no_failure
    [:await.to_proc, ->(task) { Rota::Task.await(task) }].each do |await|
      Rota.run do
        queue = Rota::Queue.new
        parent = Rota.spin do
          child = Rota.spin { Rota.suspend }
          queue.pop
          assert_raises(Rota::Cancel) { await.call(child) }
          assert_raises(KeyError) { Rota.snooze }
        end
        2.times { Rota.snooze }
        parent.children.first.raise(KeyError)
        queue << 1 # beats what is raised in the same turn
        parent.cancel
        parent.await
      end
    end
  end

  def test_a_restart_drops_no_termination_by_the_parent
    runs = 0
    Rota.run do
      Rota.spin do
        task = Rota.spin { runs += 1; Rota.suspend }
        Rota.snooze
        task.restart
      end.await
    end
    assert_equal 1, runs
  end

  def test_a_failure_of_children_that_a_restart_ends_is_told
    Rota.run do
      task = Rota.spin do |again|
        next :again if again

        Rota.spin { begin Rota.suspend ensure raise KeyError end }
        Rota.suspend
      end
      2.times { Rota.snooze }
      task.restart(true)
      assert_raises(KeyError) { task.await }
    end
  end

  def test_a_parent_that_ends_gets_no_child_back
    Rota.run do |root|
      task = nil
      parent = Rota.spin do
        task = Rota.spin { Rota.suspend }
        Rota.spin { begin Rota.suspend ensure Rota.sleep(0.002) end }
        Rota.snooze
      end
      Rota.snooze until task&.waits_for
      Rota.snooze while task.alive?
      assert_predicate parent, :alive?
      task.restart
      parent.await
      assert_same root, task.parent
      task.terminate
    end
  end

  def test_a_root_that_ends_gets_no_child_back
    error = nil
    assert_raises(IOError) do
      Rota.run do
        task = Rota.spin { Rota.suspend }
        Rota.spin do
          Rota.suspend
        ensure
          Rota.snooze
          error = assert_raises(Rota::Error) { task.restart }
        end
        Rota.snooze
        raise IOError
      end
    end
    assert_match(/is ending/, error.message)
  end

  def test_restart_runs_the_block_with_the_value
    Rota.run do
      seen = []
      task = Rota.spin { |value| seen << value; value || Rota.suspend }
      Rota.snooze
      task.restart(7)
      assert_equal 7, task.await
      assert_equal [nil, 7], seen
    end
  end

  def test_restart_of_a_dead_task_keeps_the_object_and_the_mailbox
    Rota.run do
      task = Rota.spin { |value| value ? Rota.receive : :first }
      assert_equal :first, task.await
      task << :kept
      task.restart(true)
      assert_predicate task, :alive?
      assert_equal :kept, task.await
    end
  end

  def test_restart_ends_the_children_first
    Rota.run do
      ends = []
      task = Rota.spin do |again|
        next ends.dup if again

        Rota.spin { begin Rota.sleep ensure ends << :child end }
        Rota.sleep
      end
      2.times { Rota.snooze }
      task.restart(true)
      assert_equal [:child], task.await
    end
  end

  def test_restart_before_the_first_run_gives_the_argument
    Rota.run do
      task = Rota.spin { |value| value }
      task.restart(3)
      assert_equal 3, task.await
    end
  end

  def test_a_root_task_cannot_be_restarted
    Rota.run { |root| assert_raises(Rota::Error) { root.restart } }
  end

  def test_interject_runs_in_the_task_and_the_wait_goes_on
    Rota.run do
      task = Rota.spin { Rota.sleep(0.03); :slept }
      inside = nil
      Rota.snooze
      task.interject { inside = Rota.current; Rota.sleep(0.001) }
      assert_equal :slept, task.await
      assert_same task, inside
    end
  end

  # What is waited for may come while it runs in front of the wait.
  def test_an_interjection_in_front_of_a_wait_misses_nothing
    Rota.run do |root|
      task = Rota.spin { :ended }
      root.interject { task.join }
      assert_equal :ended, Rota.cancel_after(5) { task.await }
    end
  end

  def test_what_an_interjection_raises_is_raised_in_the_task
    Rota.run do
      task = Rota.spin { Rota.sleep }
      Rota.snooze
      task.interject { raise KeyError, "from outside" }
      assert_raises(KeyError) { task.await }
    end
  end

  # Each queues the next one: whatever the task waits for, others run, and what is raised in it arrives.
  WAITS = { sleep: -> { Rota.sleep }, snooze: -> { loop { Rota.snooze } }, file: -> { loop { File.read(__FILE__) } },
            read: -> { IO.pipe { |reader,| Rota.loop.read(reader, 1) } } }.freeze

  WAITS.each do |name, wait|
    define_method("test_an_interjection_that_queues_itself_again_starves_nobody_in_#{name}") do
      calls = 0
      again = ->(task) { (calls += 1) < 10_000 ? task.interject { again[task] } : flunk("nobody else ran") }
      ended = Rota.run do
        task = Rota.spin(&wait)
        again[task]
        Rota.sleep(0.001)
        task.stop(:stopped).await
      end
      assert_equal :stopped, ended
      assert_operator calls, :>, 1
    end
  end

  def test_an_interjection_into_a_read_loses_nothing
    Rota.run do
      reader, writer = pipe
      task = Rota.spin { Rota.loop.read(reader, 10) }
      Rota.snooze
      task.interject { Rota.loop.write(writer, "bytes") }
      assert_equal "bytes", task.await
    end
  end

  def test_detach_lets_a_task_outlive_who_spun_it
    Rota.run do |root|
      inner = nil
      outer = Rota.spin { inner = Rota.spin { Rota.sleep(0.01); :alive }; inner.detach }
      outer.await
      assert_same root, inner.parent
      assert_equal :alive, inner.await
    end
  end

  def test_attach_to_refuses_cycles_and_the_dead
    Rota.run do
      child = nil
      parent = Rota.spin { child = Rota.spin { Rota.sleep }; Rota.sleep }
      2.times { Rota.snooze }
      assert_raises(ArgumentError) { parent.attach_to(child) }
      dead = Rota.spin { nil }.tap(&:await)
      assert_raises(Rota::Error) { child.attach_to(dead) }
      parent.stop
    end
  end

  def test_detach_and_attach_to_of_the_dead_are_no_ops
    Rota.run do |root|
      dead = Rota.spin { nil }.tap(&:await)
      assert_same dead, dead.detach
      assert_same dead, dead.attach_to(root)
      assert_nil dead.parent
      assert_raises(TypeError) { dead.attach_to(nil) }
    end
  end

  def test_await_of_many_gives_values_in_order
    Rota.run do
      tasks = Array.new(20) { |n| Rota.spin { Rota.sleep(rand / 100); n } }
      assert_equal (0...20).to_a, Rota::Task.await(*tasks)
    end
  end

  def test_await_of_many_raises_the_first_failure_and_the_others_go_on
    Rota.run do
      slow = Rota.spin { Rota.sleep(0.03); :done }
      bad = Rota.spin { Rota.sleep(0.001); raise KeyError, "early" }
      assert_raises(KeyError) { Rota::Task.await(slow, bad) }
      assert_predicate slow, :alive?
      assert_equal :done, slow.await
    end
  end

  def test_await_of_none
    assert_equal [], Rota.run { Rota::Task.await }
  end

  # One waiter in each line and one wake-up: ten times the tasks, ten times the work.
  def test_awaiting_many_is_linear
    switches = [500, 5_000].map do |count|
      Rota.run do
        tasks = Array.new(count) { Rota.spin { Rota.snooze } }
        before = Rota.loop.stats[:switches]
        Rota::Task.await(*tasks)
        Rota.loop.stats[:switches] - before
      end
    end
    assert_operator switches[1], :<=, switches[0] * 12
  end

  def test_join_and_value_are_threads
    Rota.run do
      task = Rota.spin { Rota.sleep(0.02); 5 }
      assert_nil task.join(0.001)
      assert_same task, task.join
      assert_equal 5, task.value
    end
  end

  def test_graceful_termination_is_asked_in_the_task
    Rota.run do
      asked = nil
      task = Rota.spin { begin Rota.sleep ensure asked = Rota.current.graceful_shutdown? end }
      Rota.snooze
      task.terminate(graceful: true)
      assert_nil task.await
      assert asked
    end
  end

  def test_shutdown_all_children_waits
    Rota.run do
      ended = 0
      3.times { Rota.spin { begin Rota.sleep ensure Rota.sleep(0.002); ended += 1 end } }
      Rota.snooze
      Rota.current.shutdown_all_children
      assert_equal 3, ended
    end
  end

  def test_shutdown_of_graceful_children_has_a_deadline
    Rota.run do
      Rota.spin do
        Rota.sleep
      rescue Rota::Terminate
        Rota.sleep if Rota.current.graceful_shutdown?
      end
      Rota.snooze
      Rota.current.shutdown_all_children(graceful: true, deadline: 0.01)
      assert_empty Rota.current.children
    end
  end

  def test_await_all_children
    Rota.run do
      2.times { |n| Rota.spin { n } }
      assert_equal [0, 1], Rota.current.await_all_children
    end
  end

  def test_backtrace_shows_where_a_task_waits
    Rota.run do
      task = Rota.spin { wait_in_a_place_with_a_name }
      Rota.snooze
      assert(task.backtrace.any? { |line| line.include?("wait_in_a_place_with_a_name") })
      task.stop
      task.await
      assert_nil task.backtrace
    end
  end

  def test_a_failure_names_the_place_of_the_spin
    Rota.run do
      line = __LINE__ + 1
      task = Rota.spin { raise "here" }
      error = assert_raises(RuntimeError) { task.await }
      assert(error.backtrace.any? { |frame| frame.start_with?("#{__FILE__}:#{line}:in `spin'") })
    end
  end

  def test_a_child_that_ignores_its_end_is_reported
    _, err, status = run_ruby(<<~RUBY, timeout: 30)
      require "rota"
      Rota.run do
        parent = Rota.spin(:parent) do
          Rota.spin(:deaf) do
            begin
              Rota.sleep
            rescue Rota::Terminate
              Rota.sleep(6)
            end
          end
          Rota.sleep(0.01)
        end
        parent.await
      end
    RUBY
    assert_predicate status, :success?
    assert_match(/told to end/, err)
    assert_match(/:deaf waiting for a sleep/, err)
  end

  private

  def wait_in_a_place_with_a_name = Rota.sleep

  def pipe
    IO.pipe.each { |io| (@opened ||= []) << io }
  end

  def teardown
    @opened&.each(&:close)
  end
end
