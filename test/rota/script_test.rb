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

  # Core methods cooperate in it, as in any run, although the script's own fiber blocks.
  def test_core_methods_in_a_run_in_a_script_with_tasks
    assert_script "[:tick, :slept, :run, nil]\n", <<~RUBY
      seen = []
      Rota.spin { sleep 0.002; seen << :tick; Rota.sleep }
      seen << Rota.run { Rota.spin { sleep 0.02; seen << :slept }; sleep 0.03; :run }
      p [*seen, Rota.move_on_after(0.005) { Rota.run { sleep 5 } }]
    RUBY
  end

  def test_core_methods_in_runs_in_tasks_of_a_script
    assert_script "[1, 2]\ntrue\n", <<~RUBY
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      p [1, 2].map { |n| Rota.spin { Rota.run { sleep 0.3; n } } }.map(&:await)
      p Process.clock_gettime(Process::CLOCK_MONOTONIC) - began < 0.55
    RUBY
  end

  def test_what_is_raised_in_the_script_is_raised_in_its_run
    assert_script "KeyError\n:rescued\nensured\nIndexError\nlate\nensured\nnil\n", <<~RUBY
      idle = Rota.spin { Rota.sleep }
      root = Rota.current
      say = ->(&block) { block.call rescue p $!.class }
      later = ->(error) { Rota.spin { Rota.sleep(0.002); root.raise(error) } }
      p(Rota.run { later.call(KeyError); say.call { sleep 5 }; :rescued })
      say.call { Rota.run { later.call(IndexError); begin sleep 5 ensure puts "ensured" end } }
      Rota.cancel_after(0.002) { Rota.run { sleep 5 } } rescue puts $!.is_a?(Rota::TimeoutError) && "late"
      p(Rota.move_on_after(0.002) { Rota.run { begin sleep 5 ensure sleep 0.001; puts "ensured" end } })
    RUBY
  end

  def test_the_scheduler_of_a_run_in_a_script_stays_for_the_scripts_tasks
    assert_script "[true, :pushed, false, true]\n", <<~RUBY
      queue = Thread::Queue.new
      task = Rota.spin { queue.pop }
      Rota.run { sleep 0.001 }
      stays = !Fiber.scheduler.nil?
      queue << :pushed
      p [stays, task.await, Rota.run(entries: 8) { Rota.loop.__script? }, Fiber.scheduler.nil?]
    RUBY
  end

  def test_the_end_of_a_script_ends_tasks_that_wait_through_the_scheduler_of_a_run
    assert_script "scheduled\nensured\n", <<~RUBY
      Rota.spin { begin; sleep; ensure; puts "ensured"; end }
      Rota.run { Fiber.schedule { sleep 0.005; puts "scheduled" }; sleep 0.001 }
    RUBY
  end

  def test_interrupt_in_a_run_in_a_script
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      Rota.spin { Rota.sleep(0.005); Process.kill(:INT, $$); Rota.sleep }
      Rota.run { begin sleep 5 ensure sleep 0.001; puts $!.class end }
    RUBY
    assert_equal ["Interrupt\n", Signal.list["INT"]], [out, status.termsig], err
  end

  def test_a_run_in_a_script_refuses_another_scheduler
    assert_script "Rota::Error\n", <<~RUBY
      other = Class.new { %i[block unblock kernel_sleep io_wait fiber_interrupt close].each { |hook| define_method(hook) { |*| nil } } }
      Rota.spin { Rota.sleep }
      Fiber.set_scheduler(other.new)
      Rota.run { } rescue p $!.class
      Fiber.set_scheduler(nil)
    RUBY
  end

  def test_a_run_in_a_script_that_is_stuck_says_so
    assert_script "Rota::Deadlock\n", <<~RUBY
      Rota.spin { Rota::Queue.new.pop }
      Rota.run { Rota::Queue.new.pop } rescue p $!.class
    RUBY
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

  # It inherits no mask: that of a task would be the one under which the main fiber waits.
  def test_an_exception_in_a_thread_that_computes
    assert_script ":raised\n" * 3, <<~RUBY
      start = lambda do
        thread = Thread.new do
          Thread.current[:computes] = true
          till = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 2
          nil while Process.clock_gettime(Process::CLOCK_MONOTONIC) < till
          :computed
        rescue KeyError
          :raised
        end
        Rota.sleep(0.001) until thread[:computes]
        thread.raise(KeyError)
        p thread.value
      end
      start.call
      Rota.spin(&start).await
      Rota.spin { Rota.sleep }
      Rota.run { start.call }
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

  # To make the loop runs Ruby: a signal handler or a thread may have its turn there, and hand over what
  # the script is about to wait for.
  def test_what_is_handed_over_while_the_first_wait_makes_the_loop
    assert_script "[:item, :signal, true, true, 0]\n", <<~RUBY
      Ractor.singleton_class.prepend(Module.new { def current = super.tap { $meanwhile.call } })
      queue, event, semaphore = Rota::Queue.new, Rota::Event.new, Rota::Semaphore.new(0)
      mutex, condition, held = Rota::Mutex.new, Rota::ConditionVariable.new, Thread::Queue.new
      holder = Thread.new { mutex.synchronize { held << 1; Thread.stop } }
      held.pop
      waits = { -> { queue.pop } => -> { queue << :item },
                -> { event.await } => -> { event.signal(:signal) },
                -> { semaphore.acquire == semaphore } => -> { semaphore.release },
                -> { mutex.lock.owned? } => -> { Thread.pass until holder.stop?; holder.wakeup.join },
                -> { condition.wait(mutex) } => -> { Thread.new { mutex.synchronize { condition.signal } }.join } }
      p(waits.map do |wait, meanwhile|
        $meanwhile = -> { $meanwhile = -> {} and meanwhile.call }
        wait.call.tap { Rota.loop.stop }
      end)
    RUBY
  end

  private

  def assert_script(expected, program)
    out, err, status = run_ruby(%(require "rota"\n$stdout.sync = true\n#{program}))
    assert_equal [expected, "", true], [out, err, status.success?]
  end
end
