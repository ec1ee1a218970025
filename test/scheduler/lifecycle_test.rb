# frozen_string_literal: true

require "test_helper"

# From set_scheduler to scheduler_close, alone and under Rota.run.
class SchedulerLifecycleTest < RotaTest
  # What the block logs in a thread with a scheduler of its own, whose end runs what was scheduled.
  def scheduled
    log = []
    thread = Thread.new do
      Thread.current.report_on_exception = false
      Fiber.set_scheduler(Rota::Scheduler.new)
      yield log
    end
    thread.join
    log
  end

  def test_the_end_of_the_thread_runs_everything
    log = scheduled do |l|
      Fiber.schedule { sleep(0.02) and l << :late }
      Fiber.schedule { sleep(0.01) and Fiber.schedule { sleep(0.02) and l << :nested } }
      l << :end
    end
    assert_equal %i[end late nested], log
  end

  def test_a_fiber_runs_at_once_until_it_waits
    log = scheduled do |l|
      l << :before
      Fiber.schedule { l << :started and sleep(0) and l << :resumed }
      l << :after
    end
    assert_equal %i[before started after resumed], log
  end

  def test_a_fiber_that_never_waits_has_ended_when_schedule_returns
    log = scheduled { |l| l << Fiber.schedule { :value }.alive? }
    assert_equal [false], log
  end

  def test_nested_schedules_return_to_their_callers
    log = scheduled do |l|
      Fiber.schedule do
        l << 1
        Fiber.schedule { l << 2 and sleep(0) and l << 4 }
        l << 3
      end
    end
    assert_equal [1, 2, 3, 4], log
  end

  def test_a_scheduled_fiber_is_a_task
    log = scheduled do |l|
      Fiber.schedule do
        l << Rota.current.class << Rota.current.parent.tag
        l << Rota.spin { Rota.sleep(0.001) and :spun }.await
      end
    end
    assert_equal [Rota::Task, :root, :spun], log
  end

  def test_run_waits_for_all
    log = scheduled do |l|
      Fiber.schedule { sleep(0.01) and l << :ran }
      Fiber.scheduler.run
      l << :after_run
    end
    assert_equal %i[ran after_run], log
  end

  def test_close_takes_it_off
    log = scheduled do |l|
      scheduler = Fiber.scheduler
      Fiber.schedule { sleep(0.01) and l << :ran }
      scheduler.close
      l << scheduler.closed? << Fiber.scheduler
      scheduler.close # again: nothing
    end
    assert_equal [:ran, true, nil], log
  end

  def test_a_scheduler_that_was_never_used
    scheduler = Rota::Scheduler.new
    Thread.new { Fiber.set_scheduler(scheduler) }.join
    assert_predicate scheduler, :closed?
  end

  def test_a_failure_is_raised_where_the_fiber_was_scheduled
    log = scheduled { |l| l << assert_raises(RuntimeError) { Fiber.schedule { raise "at once" } }.message }
    assert_equal ["at once"], log
  end

  # ... and ends the others, with their ensure blocks.
  def test_a_late_failure_is_raised_at_the_end
    log = []
    error = assert_raises(RuntimeError) do
      scheduled do
        Fiber.schedule { sleep(0.005) and raise "late" }
        Fiber.schedule do
          sleep
        ensure
          log << :ensured
        end
      end
    end
    assert_equal ["late", [:ensured]], [error.message, log]
  end

  def test_what_is_stuck_is_ended
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      Fiber.set_scheduler(Rota::Scheduler.new)
      Fiber.schedule do
        Queue.new.pop
      ensure
        puts "ensured"
      end
    RUBY
    assert_equal "ensured\n", out
    assert_match(/every task waits, and nothing is pending/, err)
    refute_predicate status, :success? if RUBY_VERSION >= "3.3"
  end

  { "exit 3" => 3, "raise 'loud'" => 1, "abort" => 1 }.each do |code, expected|
    define_method(:"test_a_process_that_ends_with_#{code}") do
      out, _, status = run_ruby(<<~RUBY)
        require "rota"
        Fiber.set_scheduler(Rota::Scheduler.new)
        Fiber.schedule do
          sleep
        ensure
          puts "ensured"
        end
        #{code}
      RUBY
      assert_equal ["ensured\n", expected], [out, status.exitstatus]
    end
  end

  def test_exit_in_a_scheduled_fiber
    _, err, status = run_ruby(<<~RUBY)
      require "rota"
      Fiber.set_scheduler(Rota::Scheduler.new)
      Fiber.schedule { sleep(0.01) and exit(4) }
      Fiber.schedule { sleep }
    RUBY
    assert_equal ["", 4], [err, status.exitstatus]
  end

  # On 3.1 and 3.2 Ruby closes no scheduler of a thread that was killed.
  if RUBY_VERSION >= "3.3"
    def test_a_thread_that_is_killed_while_it_closes
      log = []
      thread = Thread.new do
        Fiber.set_scheduler(Rota::Scheduler.new)
        Fiber.schedule do
          sleep
        ensure
          log << :ensured
        end
        log << :closing
      end
      sleep 0.001 until log == [:closing] && thread.stop? || !thread.alive?
      thread.kill.join
      assert_equal %i[closing ensured], log
    end
  end

  def test_a_thread_that_is_killed_under_run
    log = []
    thread = Thread.new do
      Rota.run do
        Fiber.schedule do
          sleep
        ensure
          log << :ensured
        end
        log << :sleeping
        sleep
      end
    end
    sleep 0.001 until log == [:sleeping] && thread.stop? || !thread.alive?
    thread.kill.join
    assert_equal %i[sleeping ensured], log
  end

  def test_run_installs_and_removes_it
    Rota.run do
      assert_instance_of Rota::Scheduler, Fiber.scheduler
      assert_same Fiber.scheduler, Fiber.current_scheduler
      Rota.spin { assert_same Fiber.scheduler, Fiber.current_scheduler }.await
    end
    assert_nil Fiber.scheduler
  end

  def test_no_warning_about_the_buffers_of_core
    program = 'require "rota"; Rota.run { IO.pipe { |r, w| w.write("x") && r.readpartial(1) } }'
    command = [RbConfig.ruby, "-w", *LOAD_PATH.map { |path| "-I#{path}" }, "-e", program]
    assert_equal ["", ""], run_command(command).first(2)
  end

  def test_run_waits_for_scheduled_fibers
    log = []
    value = Rota.run do
      Fiber.schedule { sleep(0.01) and log << :done }
      7
    end
    assert_equal [7, [:done]], [value, log]
  end

  def test_a_task_does_not_end_what_it_scheduled
    log = []
    Rota.run { Rota.spin { Fiber.schedule { sleep(0.01) and log << :done } } }
    assert_equal [:done], log
  end

  def test_a_failed_fiber_fails_the_run
    error = assert_raises(RuntimeError) { Rota.run { Fiber.schedule { sleep(0.002) and raise "scheduled" } and sleep } }
    assert_equal "scheduled", error.message
  end

  def test_run_refuses_another_scheduler
    scheduler = Class.new {
      %i[block unblock kernel_sleep io_wait fiber_interrupt
         close].each { |n|
        define_method(n) { |*|
        }
      }
    }
    message = Thread.new do
      Fiber.set_scheduler(scheduler.new)
      assert_raises(Rota::Error) { Rota.run { nil } }.message
    end.value
    assert_match(/this thread has a Fiber scheduler/, message)
  end

  def test_another_threads_scheduler
    scheduler = Rota::Scheduler.new
    inner = nil
    Thread.new do
      Fiber.set_scheduler(scheduler)
      Fiber.schedule { inner = Thread.new { assert_raises(Rota::Error) { scheduler.kernel_sleep(0.001) } }.value }
    end.join
    assert_match(/another thread/, inner.message)
  end

  def test_a_child_of_a_scheduled_fiber
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      Fiber.set_scheduler(Rota::Scheduler.new)
      Fiber.schedule { sleep(0.03) and puts "parent" }
      Fiber.schedule do
        pid = fork do
          sleep(0.01)
          r, w = IO.pipe
          Thread.new { sleep(0.01) and w << "x" }
          puts "child \#{r.read(1)} \#{IO.select([r], nil, nil, 0.01).inspect} \#{Mutex.new.synchronize { 1 }}"
        end
        Process.wait(pid)
        puts "status \#{$?.exitstatus}"
      end
    RUBY
    assert_equal ["child x nil 1\nparent\nstatus 0\n", "", true], [out.lines.sort.join, err, status.success?]
  end

  def test_a_child_of_a_run_has_no_scheduler_of_its_own
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do
        Rota.spin { sleep(0.01) }
        Process.wait(fork { sleep(0.01) and Rota.run { puts Rota.spin { sleep(0.01) and :child }.await } })
        puts $?.exitstatus
      end
    RUBY
    assert_equal ["child\n0\n", ""], [out, err]
  end

  # Their stacks go at a collection only, and there are only so many maps.
  def test_many_short_fibers
    count = 0
    Rota.run { 40_000.times { Fiber.schedule { count += 1 } } }
    assert_equal 40_000, count
  end

  def test_fiber_raise_and_its_end
    log = scheduled do |l|
      fiber = Fiber.schedule do
        sleep
      rescue ArgumentError => e
        l << e.message
      end
      fiber.raise(ArgumentError, "from outside")
      l << fiber.alive?
      l << Rota.current.tag
    end
    assert_equal ["from outside", false, :root], log
  end

  if Fiber.method_defined?(:kill)
    def test_fiber_kill
      log = scheduled do |l|
        fiber = Fiber.schedule do
          sleep
        ensure
          l << :ensured
        end
        fiber.kill
        l << fiber.alive?
      end
      assert_equal [:ensured, false], log
    end

    def test_storage_is_inherited
      log = scheduled do |l|
        Fiber[:key] = :value
        Fiber.schedule { l << Fiber[:key] and sleep(0) and l << Fiber[:key] }
        Fiber.schedule(storage: { key: 2 }) { l << Fiber[:key] }
      end
      assert_equal [:value, 2, :value], log
    end
  end
end
