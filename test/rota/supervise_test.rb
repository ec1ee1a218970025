# frozen_string_literal: true

require_relative "../test_helper"

class SuperviseTest < RotaTest
  if Fiber.respond_to?(:[])
    def test_a_restart_inherits_storage
      seen = []
      Rota.run do
        Fiber[:rota_test] = 1
        task = Rota.spin { seen << Fiber[:rota_test]; raise KeyError if seen.size < 2 }
        Rota.supervise(task, restart: :on_error)
      end
      assert_equal [1, 1], seen
    end
  end

  def test_an_interrupt_ends_what_is_restarted_always
    error = assert_raises(Interrupt) do
      Rota.run do |root|
        task = Rota.spin { Rota.suspend }
        Rota.spin { Rota.supervise(task, restart: :always) }
        Rota.spin { root.raise(Interrupt) }
        Rota.suspend
      end
    end
    refute_respond_to error, :suppressed, "the supervisor ends quietly"
  end

  def test_it_returns_when_all_have_ended
    Rota.run do
      seen = []
      tasks = Array.new(3) { |n| Rota.spin { Rota.sleep(0.002 * n); n } }
      assert_nil(Rota.supervise(*tasks) { |_, result| seen << result })
      assert_equal [0, 1, 2], seen
    end
  end

  def test_without_tasks_it_watches_present_and_future_children
    Rota.run do
      seen = []
      Rota.spin { Rota.sleep(0.002); Rota.current.parent.spin { :second } && :first }
      Rota.supervise { |_, result| seen << result }
      assert_equal %i[first second], seen
    end
  end

  def test_restart_on_error
    Rota.run do
      tries = 0
      task = Rota.spin { (tries += 1) < 3 ? raise("again") : :fine }
      Rota.supervise(task, restart: :on_error)
      assert_equal [3, :fine], [tries, task.result]
    end
  end

  def test_restart_always_until_stopped
    Rota.run do
      runs = 0
      task = Rota.spin { runs += 1 }
      assert_raises(Rota::SupervisionError) { Rota.supervise(task, restart: :always, max_restarts: 4, within: 60) }
      assert_equal 5, runs
    end
  end

  def test_too_many_restarts_end_all
    Rota.run do
      ended = false
      bystander = Rota.spin { begin Rota.sleep ensure ended = true end }
      flaky = Rota.spin { raise KeyError, "always" }
      error = assert_raises(Rota::SupervisionError) do
        Rota.supervise(bystander, flaky, restart: :on_error, max_restarts: 2, within: 60)
      end
      assert_kind_of KeyError, error.cause
      assert ended
    end
  end

  def test_a_failure_that_nobody_handles_is_raised_at_the_end
    Rota.run do
      slow = Rota.spin { Rota.sleep(0.005); :done }
      bad = Rota.spin { raise KeyError }
      assert_raises(KeyError) { Rota.supervise(slow, bad) }
      assert_equal :done, slow.result
    end
  end

  def test_further_failures_are_suppressed
    Rota.run do
      tasks = %w[a b].map { |name| Rota.spin { raise name } }
      error = assert_raises(RuntimeError) { Rota.supervise(*tasks) }
      assert_equal ["a", ["b"]], [error.message, error.suppressed.map(&:message)]
    end
  end

  def test_failures_do_not_reach_the_parent
    Rota.run do
      errors = []
      Rota.supervise(Rota.spin { raise "mine" }, on_error: ->(_, error) { errors << error.message })
      Rota.snooze
      assert_equal ["mine"], errors
    end
  end

  def test_one_for_all_restarts_the_others_too
    Rota.run do
      runs = Hash.new(0)
      tasks = %i[a b].map do |name|
        Rota.spin(name) do
          runs[name] += 1
          raise "once" if name == :a && runs[:a] == 1

          Rota.sleep(0.003)
        end
      end
      Rota.supervise(*tasks, restart: :on_error, strategy: :one_for_all) { nil }
      assert_equal({ a: 2, b: 2 }, runs)
    end
  end

  # One of another thread ends when it has been found alive.
  def test_one_of_another_thread_ends_while_its_group_is_ended
    tasks = Thread::Queue.new
    ends = Thread::Queue.new
    thread = Thread.new { Rota.run { tasks << Rota.spin { ends.pop } } }
    other = tasks.pop
    other.define_singleton_method(:alive?) { super().tap { ends << true and thread.join } }
    Rota.run do
      runs = 0
      failing = Rota.spin { (runs += 1) == 1 ? raise("once") : other.alive? }
      Rota.supervise(failing, other, restart: :on_error, strategy: :one_for_all) { nil }
    rescue Rota::Error => e # its loop has ended
      assert_match(/loop/, e.message)
    end
    assert_predicate other, :dead?
  end

  def test_one_of_another_thread_is_told_of_once
    tasks = Thread::Queue.new
    ends = Thread::Queue.new
    thread = Thread.new { Rota.run { tasks << Rota.spin { ends.pop } } }
    other = tasks.pop
    other.define_singleton_method(:__supervise) { |by| super(by).tap { ends << true and thread.join } }
    told = []
    Rota.run { Rota.supervise(other) { |task, result| told << [task, result] } }
    assert_equal [[other, true]], told
  end

  # One of another thread moves when those that did are looked at.
  def test_one_that_moves_while_its_supervisor_looks_at_others
    Rota.run do
      first, second, third = Array.new(3) { Rota.spin { Rota.suspend } }
      first.define_singleton_method(:dead?) { second.detach && super() }
      supervising = Rota.spin { Rota.supervise(first, second, third) }
      Rota.snooze
      first.attach_to(third)
      third.terminate
      third.await
      Rota.snooze
      second.terminate
      assert_nil supervising.await
      [first, second].each { |task| refute_predicate task, :alive? }
    end
  end

  def test_rest_for_one_restarts_those_behind
    Rota.run do
      runs = Hash.new(0)
      tasks = %i[a b c].map do |name|
        Rota.spin(name) do
          runs[name] += 1
          Rota.sleep(0.001)
          raise "once" if name == :b && runs[:b] == 1

          Rota.sleep(0.005)
        end
      end
      Rota.supervise(*tasks, restart: :on_error, strategy: :rest_for_one) { nil }
      assert_equal({ a: 1, b: 2, c: 2 }, runs)
    end
  end

  def test_backoff_doubles_in_a_row
    backoff = Rota::Supervisor::Backoff.new(1, 5)
    [1, 2, 4, 8, 16, 32, 60, 60].each { |most| assert_includes (most / 2.0)..most, backoff.next }
  end

  def test_backoff_begins_anew_behind_a_restart_that_went_well
    backoff = Rota::Supervisor::Backoff.new(0.001, 0.002)
    5.times { assert_operator backoff.next.tap { sleep(0.005) }, :<=, 0.001 }
  end

  def test_backoff_waits_before_the_restart
    Rota.run do
      tries = 0
      task = Rota.spin { (tries += 1) < 3 ? raise("again") : :fine }
      fired = Rota.loop.stats[:timers_fired]
      Rota.supervise(task, restart: :on_error, backoff: 0.001) { nil }
      assert_equal 3, tries
      assert_operator Rota.loop.stats[:timers_fired] - fired, :>=, 2
    end
  end

  def test_awaiting_in_the_handler_loses_no_ends
    Rota.run do
      seen = []
      tasks = Array.new(5) { |n| Rota.spin { n } }
      Rota.supervise(*tasks) do |_, result|
        Rota.spin { Rota.sleep(0.001) }.await
        seen << result
      end
      assert_equal [0, 1, 2, 3, 4], seen
    end
  end

  def test_an_interrupted_supervisor_lets_go
    Rota.run do
      task = Rota.spin { Rota.sleep(0.01); raise KeyError, "to the parent again" }
      Rota.move_on_after(0.002) { Rota.supervise(task) }
      assert_raises(KeyError) { Rota.sleep(1) }
    end
  end

  # A handler that is restarted would run for a signal that nobody sent.
  def test_without_tasks_it_supervises_no_signal_handlers_and_processes
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      $stdout.sync = true
      Rota.run do |root|
        Rota.trap(:USR1) { puts "signal" }
        child = Rota.spawn("true")
        Rota.spin(:child) do
          Process.kill(:USR1, Process.pid)
          child.wait
          Rota.sleep(0.005)
          root.raise(KeyError)
          Rota.sleep
        end
        Rota.supervise(restart: :always) { |task, _| puts "told of \#{task.tag}" }
      rescue KeyError
        puts "over"
        root.terminate_all_children
      end
    RUBY
    assert_equal ["signal\nover\n", ""], [out, err]
  end

  def test_it_waits_for_no_signal_handler_that_waits
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do |root|
        Rota.trap(:USR1) { Rota.sleep }
        Rota.spin { Process.kill(:USR1, Process.pid); Rota.sleep(0.001) }
        Rota.supervise
        puts "over"
        root.terminate_all_children
      end
    RUBY
    assert_equal ["over\n", ""], [out, err]
  end

  # What a handler does in a scope is that scope's business.
  def test_without_tasks_a_handlers_scope_is_not_supervised
    Rota.run do
      seen = []
      runs = 0
      Rota.spin(:child) { (runs += 1) < 3 ? raise("again") : runs }
      Rota.supervise(restart: :on_error) do |task, _|
        Rota.spin_scope { Rota.spin { raise KeyError } }
      rescue KeyError
        seen << task.tag
      end
      assert_equal %i[child child child], seen
    end
  end

  def test_a_child_of_a_handler_fails_after_the_supervisor_left
    Rota.run do
      Rota.spin { :done }
      Rota.move_on_after(0.005) do
        Rota.supervise { Rota.spin { Rota.sleep(0.01); raise KeyError }; Rota.sleep }
      end
      assert_raises(KeyError) { Rota.sleep(1) }
    end
  end

  def test_a_failing_handler_loses_no_failures
    Rota.run do
      tasks = %w[a b c].map { |name| Rota.spin(name) { raise name } }
      error = assert_raises(KeyError) { Rota.supervise(*tasks) { |task, _| raise KeyError if task.tag == "b" } }
      assert_equal ["c"], error.suppressed.map(&:message)
      Rota.snooze
    end
  end

  def test_failures_that_no_exception_takes_along_go_to_the_caller
    Rota.run do
      two = -> { %w[a b].map { |name| Rota.spin { raise name } } }
      by_break = -> { Rota.supervise(*two.call) { break } }
      by_deadline = -> { Rota.move_on_after(0.005) { Rota.supervise(*two.call) { Rota.sleep } } }
      [by_break, by_deadline].each do |supervise|
        assert_equal "b", caught(RuntimeError) { supervise.call; Rota.sleep(1) }.message
        assert_nil Rota.snooze
      end
    end
  end

  def test_failures_of_an_interrupted_supervisor_without_handlers_go_to_the_caller
    Rota.run do
      bad = Rota.spin { raise KeyError }
      good = Rota.spin { Rota.sleep }
      assert_raises(KeyError) { Rota.move_on_after(0.005) { Rota.supervise(bad, good) }; Rota.sleep(1) }
      good.terminate
    end
  end

  def test_too_many_restarts_take_other_failures_along
    Rota.run do
      bad = Rota.spin { begin Rota.sleep ensure raise "bad" end }
      flaky = Rota.spin { Rota.sleep(0.001); raise KeyError }
      error = caught(Rota::SupervisionError) { Rota.supervise(bad, flaky, restart: :on_error, max_restarts: 0) { nil } }
      assert_equal ["bad"], error.suppressed.map(&:message)
      Rota.snooze
    end
  end

  def test_two_ends_in_one_turn_restart_the_group_once
    [nil, 0.001].each do |backoff|
      Rota.run do
        told = []
        runs = Hash.new(0)
        tasks = %i[a b].map { |name| Rota.spin(name) { (runs[name] += 1) == 1 ? raise("once") : Rota.sleep(0.005) } }
        tell = ->(task, result) { told << [task.tag, result.class] }
        Rota.supervise(*tasks, restart: :on_error, strategy: :one_for_all, backoff: backoff, max_restarts: 1, &tell)
        assert_equal({ a: 2, b: 2 }, runs)
        assert_equal [[:a, RuntimeError], [:b, RuntimeError], [:a, Integer], [:b, Integer]], told
      end
    end
  end

  def test_who_was_restarted_before_a_delay_is_over_goes_on
    Rota.run do
      runs = 0
      task = Rota.spin { (runs += 1) == 1 ? raise("once") : Rota.sleep(0.01) }
      Rota.spin { Rota.sleep(0.001); task.restart }
      Rota.supervise(task, restart: :on_error, backoff: 0.004) { nil }
      assert_equal 2, runs
    end
  end

  # Each supervisor hears of each end, and the one outside goes on where it was.
  def test_without_tasks_inside_a_handler_of_one_without_tasks
    supervised do |seen|
      Rota.spin(:a) { nil }
      gate = Rota::Queue.new
      Rota.spin(:b) { gate.pop }
      Rota.supervise do |task,|
        seen << [:outer, task.tag]
        next unless task.tag == :a

        Rota.spin(:c) { nil }
        Rota.supervise { |inner,| gate << (seen << [:inner, inner.tag]) }
        Rota.spin(:d) { nil }
      end
      assert_equal [%i[outer a], %i[inner c], %i[inner b], %i[outer c], %i[outer b], %i[outer d]], seen
    end
  end

  def test_one_in_a_scope_of_a_handler
    supervised do |seen|
      Rota.spin(:a) { nil }
      gate = Rota::Queue.new
      Rota.spin(:b) { gate.pop && raise(KeyError) }
      Rota.supervise do |task,|
        seen << [:outer, task.tag]
        next unless task.tag == :a

        Rota.spin_scope { Rota.spin(:c) { nil } && Rota.supervise { |inner,| seen << [:inner, inner.tag] and break } }
        gate << :open
      end
      assert_equal [%i[outer a], %i[inner c], %i[outer b]], seen
    end
  end

  # What it did not read is no news: the one outside was told.
  def test_a_failure_of_two_supervisors_of_which_the_inner_one_leaves
    supervised do |seen|
      %i[a b].each { |name| Rota.spin(name) { 3.times { Rota.snooze }; raise name.to_s } }
      Rota.spin(:first) { nil }
      Rota.supervise do |task,|
        seen << task.tag
        Rota.supervise { break } if task.tag == :first
      end
      Rota.snooze
      assert_equal %i[first a b], seen
    end
  end

  def test_a_task_of_two_supervisors_one_of_which_leaves
    supervised do |seen|
      gate = Rota::Queue.new
      task = Rota.spin { gate.pop }
      Rota.spin { Rota.move_on_after(0.003) { Rota.supervise(task) } || gate.push(:open) }
      assert_nil(Rota.supervise(task) { seen << :told })
      assert_equal [:told], seen
    end
  end

  # Its failure goes to its parent, as that of those who stayed.
  def test_a_child_that_goes_elsewhere_before_its_supervisor_leaves
    supervised do |seen|
      elsewhere = Rota.spin do
        Rota.suspend
      rescue KeyError => e
        seen << e.class
      end
      owner = Rota.spin { Rota.spin { Rota.suspend } && catch(:out) { Rota.supervise } }
      2.times { Rota.snooze } # it supervises
      child = owner.spin { Rota.suspend && raise(KeyError) }.attach_to(elsewhere)
      owner.interject { throw :out }
      owner.join
      child.schedule(:go)
      elsewhere.await
      assert_equal [KeyError], seen
    end
  end

  def test_a_child_that_another_task_supervises_too
    supervised do |seen|
      task = Rota.spin(:both) { Rota.snooze; raise KeyError }
      Rota.spin(:other) { Rota.supervise(task) { |_, error| seen << error.class } }
      Rota.supervise { |one,| seen << one.tag }
      assert_equal [KeyError, :both, :other], seen.sort_by(&:to_s)
    end
  end

  def test_one_that_had_ended_before
    supervised do |seen|
      runs = 0
      task = Rota.spin { (runs += 1) < 3 ? raise("again") : runs }
      assert_raises(RuntimeError) { task.await }
      Rota.supervise(task, restart: :on_error) { |_, result| seen << result.class }
      assert_equal [RuntimeError, RuntimeError, Integer], seen
    end
  end

  # Restarted by somebody else, and fine: the end that was told first is not the last.
  def test_one_that_ended_twice_before_it_was_told_of
    supervised do |seen|
      runs = 0
      first = Rota.spin { nil }
      task = Rota.spin { (runs += 1) == 1 ? raise("once") : runs }
      Rota.supervise(first, task, restart: :on_error) do |told, result|
        seen << result
        (Rota.snooze until task.dead?) || task.restart.await if told == first
      end
      assert_equal 2, runs
      assert_equal [NilClass, RuntimeError, Integer], seen.map(&:class)
    end
  end

  # Their failures are told as they were when they ended: they run again when the supervisor leaves.
  def test_an_interrupted_restart_of_a_group_loses_no_failure_of_one_that_runs_again
    supervised do |seen|
      owner = nil
      members = Array.new(2) do |number|
        Rota.spin do
          Rota.suspend
        rescue Rota::Terminate
          next if owner.dead?

          owner.raise(IOError) if number == 1
          raise KeyError
        end
      end
      first = Rota.spin { Rota.snooze; raise "once" }
      owner = Rota.spin do
        Rota.supervise(*members, first, strategy: :one_for_all, restart: :on_error) { nil }
      rescue IOError => e
        seen.concat(e.suppressed.map(&:class), members.map(&:state))
      end
      Rota.snooze until members.all?(&:dead?) # and once more: before the owner
      members.each(&:restart)
      owner.join
      assert_equal [KeyError, KeyError, :runnable, :runnable], seen
      members.each(&:terminate)
    end
  end

  # Nobody but its parent is told of the next one.
  def test_an_end_that_was_not_read_leaves_no_supervisor_behind
    supervised do |seen|
      task = nil
      Rota.spin(:first) { nil }
      Rota.supervise do
        task = Rota.spin { seen.empty? ? nil : raise(KeyError) }
        Rota.snooze until task.dead?
        break
      end
      seen << :again
      task.restart
      seen << caught(KeyError) { Rota.sleep(1) }.class
      assert_equal [:again, KeyError], seen
    end
  end

  def test_a_child_that_went_elsewhere_ended_and_runs_again_there_keeps_no_supervisor
    supervised do |seen|
      home = Rota.spin do
        Rota.spin { Rota.suspend && raise(KeyError) }
        Rota.suspend
      rescue KeyError => e
        seen << e.class
      end
      Rota.snooze
      task = home.children.first
      Rota.spin(:first) { nil }
      gate = Rota::Queue.new
      Rota.spin(:second) { gate.pop }
      Rota.supervise do |told,|
        if told.tag == :first
          elsewhere = Rota.spin(:elsewhere) { Rota.suspend }
          task.attach_to(Rota.current).attach_to(elsewhere)
          gate << :open
          task.terminate
          Rota.snooze until task.dead?
        else
          task.restart
          break
        end
      end
      Rota.snooze
      task.schedule(:go)
      2.times { Rota.snooze }
      assert_equal [KeyError], seen
      Rota.current.terminate_all_children
    end
  end

  def test_bad_options
    Rota.run do
      assert_raises(ArgumentError) { Rota.supervise(restart: :never) }
      assert_raises(ArgumentError) { Rota.supervise(strategy: :some) }
      assert_raises(ArgumentError) { Rota.supervise(max_restarts: -1) }
      assert_raises(ArgumentError) { Rota.supervise(within: 0) }
      assert_raises(ArgumentError) { Rota.supervise(backoff: 0) }
      assert_raises(TypeError) { Rota.supervise(max_restarts: "1") }
      assert_raises(TypeError) { Rota.supervise(within: nil) }
      assert_raises(TypeError) { Rota.supervise(on_done: :puts) }
      assert_raises(TypeError) { Rota.supervise(3) }
      assert_raises(Rota::Error) { Rota.supervise(Rota.current) }
    end
  end

  private

  def supervised
    Rota.run { Rota.cancel_after(5) { yield [] } }
  end
end
