# frozen_string_literal: true

require "test_helper"

# Rota without Rota.run, on the main fiber: programs of their own.
class ScriptTest < RotaTest
  def test_a_script_needs_no_run
    assert_script "5\n", "p Rota.spin { Rota.sleep(0.001); 5 }.await"
  end

  def test_the_end_terminates_tasks_and_runs_their_ensure_blocks
    assert_script "ensured\n", <<~RUBY
      Rota.spin { begin; Rota.sleep; ensure; puts "ensured"; end }
      Rota.snooze
    RUBY
  end

  def test_ensure_blocks_may_park_at_the_end
    assert_script "ensured\n", <<~RUBY
      Rota.spin { begin; Rota.sleep; ensure; Rota.sleep(0.01); puts "ensured"; end }
      Rota.snooze
    RUBY
  end

  def test_a_task_that_has_not_begun_is_never_entered
    assert_script "", "Rota.spin { puts :entered }"
  end

  def test_a_deadline_around_a_run
    assert_script "nil\n", "p Rota.move_on_after(0.005) { Rota.run { Rota.sleep(5) } }"
  end

  def test_a_failure_reaches_the_main_fiber_at_its_switchpoint
    assert_script "KeyError\n", "Rota.spin { raise KeyError }; begin; Rota.sleep; rescue => e; p e.class; end"
  end

  # In the clean-up at the end nobody is left to be told.
  def test_a_failure_that_meets_no_switchpoint_is_reported
    _, err, status = run_ruby(<<~RUBY)
      require "rota"
      Rota.spin { begin; Rota.sleep; ensure; raise KeyError, "unheard"; end }
      Rota.snooze
    RUBY
    assert_equal [1, true], [status.exitstatus, err.include?("unheard")], err
  end

  def test_exit_in_a_task_ends_the_script_with_its_status
    _, err, status = run_ruby(%(require "rota"; Rota.spin { exit 4 }; Rota.sleep))
    assert_equal 4, status.exitstatus, err
  end

  def test_an_uncaught_exception_ends_the_script_with_one
    _, err, status = run_ruby(%(require "rota"; Rota.spin { raise KeyError, "loud" }; Rota.sleep))
    assert_equal [1, true], [status.exitstatus, err.include?("loud (KeyError)")], err
  end

  def test_an_exception_on_the_main_fiber_still_ends_the_tasks
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      Rota.spin { begin; Rota.sleep; ensure; puts "ensured"; end }
      Rota.snooze
      raise KeyError, "loud"
    RUBY
    assert_equal ["ensured\n", 1, true], [out, status.exitstatus, err.include?("loud")], err
  end

  def test_exit_on_the_main_fiber_still_ends_the_tasks
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      Rota.spin { begin; Rota.sleep; ensure; puts "ensured"; end }
      Rota.snooze
      exit 7
    RUBY
    assert_equal ["ensured\n", 7], [out, status.exitstatus], err
  end

  def test_a_run_in_a_script_has_a_loop_of_its_own_when_no_task_is_there
    assert_script "3\n", "Rota.snooze; p Rota.run(entries: 8) { 3 }"
  end

  def test_a_run_in_a_script_with_tasks_is_a_scope
    assert_script "true\n", "Rota.spin { Rota.sleep }; outer = Rota.loop; p Rota.run { Rota.loop.equal?(outer) }"
  end

  def test_a_script_goes_on_after_a_run
    assert_script "1\n2\n", "p Rota.run { 1 }; p Rota.spin { 2 }.await"
  end

  def test_deadlines
    assert_script ":late\n", "p Rota.move_on_after(0.001, with_value: :late) { Rota.sleep }"
  end

  def test_thread_raise_reaches_the_main_fiber_only
    assert_script "main\ntask\n", <<~RUBY
      main = Thread.current
      task = Rota.spin { begin; Rota.sleep(0.1); puts "task"; rescue KeyError; puts "wrong"; end }
      Thread.new { sleep 0.02; main.raise(KeyError) }
      begin; Rota.sleep; rescue KeyError; puts "main"; end
      task.await
    RUBY
  end

  def test_in_another_thread_spin_needs_run
    assert_script "Rota::Error\n", "Thread.new { begin; Rota.spin { }; rescue => e; p e.class; end }.join"
  end

  def test_in_another_thread_sleep_needs_run
    error = Thread.new { caught(Rota::Error) { Rota.sleep(0) } }.value
    assert_instance_of Rota::Error, error
  end

  def test_at_exit_blocks_may_use_rota
    assert_script "6\n", "Rota.snooze; at_exit { p Rota.spin { 6 }.await }"
  end

  def test_at_exit_blocks_from_before_may_use_rota
    assert_script "6\n", "at_exit { p Rota.spin { 6 }.await }; Rota.snooze"
  end

  def test_interrupt_ends_it_as_it_ends_any_script
    _, err, status = run_ruby(%(require "rota"; Process.kill(:INT, $$); Rota.sleep))
    assert_equal Signal.list["INT"], status.termsig, err
  end

  private

  def assert_script(expected, program)
    out, err, status = run_ruby(%(require "rota"\n$stdout.sync = true\n#{program}))
    assert_equal [expected, "", true], [out, err, status.success?]
  end
end
