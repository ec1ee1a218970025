# frozen_string_literal: true

require "test_helper"
require "timeout"

# What others raise in the thread reaches the root task and nobody else, at any moment.
class InterruptsTest < RotaTest
  time_limit 120

  def test_thread_raise_reaches_the_root_task
    main = Thread.current
    got = Rota.run do
      task = waiting { rescued(KeyError, :wrong) { Rota.sleep(0.02) } }
      Thread.new { main.raise(KeyError) }
      [rescued(KeyError, :root) { Rota.sleep(5) }, task.await]
    end
    assert_equal [:root, 0], got
  end

  def test_thread_raise_while_a_task_runs_ruby_code
    main = Thread.current
    got = Rota.run do
      task = Rota.spin { rescued(KeyError, :wrong) { 200_000.times(&:to_s) && :computed } }
      Thread.new { main.raise(KeyError) }
      [rescued(KeyError, :root) { Rota.sleep(5) }, task.await]
    end
    assert_equal %i[root computed], got
  end

  # No wait in the kernel ever happens here, which is where such an exception is looked for.
  def test_thread_raise_reaches_the_root_of_a_busy_loop
    main = Thread.current
    got = Rota.run do
      busy = Rota.spin { loop { Rota.snooze } }
      Thread.new { main.raise(KeyError) }
      rescued(KeyError, :root) { Rota.sleep(20) }.tap { busy.terminate }
    end
    assert_equal :root, got
  end

  # Nobody is ever ready here when a task waits, and no wait takes any time.
  def test_thread_raise_reaches_the_root_of_a_loop_whose_waits_end_at_once
    main = Thread.current
    there, back = IO.pipe, IO.pipe
    got = Rota.run do
      io = Rota.loop
      echo = Rota.spin { loop { io.write(back[1], io.read(there[0], 100)) } }
      Thread.new { main.raise(KeyError) }
      rescued(KeyError, :root) { loop { io.write(there[1], "x") && io.read(back[0], 100) } }.tap { echo.terminate }
    end
    assert_equal :root, got
  ensure
    [*there, *back].each(&:close)
  end

  # Calls of core at which Ruby raises what others raised, in whichever task makes them: Process.kill
  # lost its process by that, IO#close its descriptor.
  def test_thread_raise_while_a_task_is_in_calls_of_core
    main = Thread.current
    got = Rota.run do
      task = Rota.spin { rescued(KeyError, :wrong) { computing { main.raise(KeyError) } && calls_of_core } }
      [rescued(KeyError, :root) { Rota.sleep(5) }, task.await]
    end
    assert_equal %i[root called], got
  end

  # Where Ruby switches threads inside Mutex#lock, its task had been woken for the lock already.
  def test_thread_raise_loses_no_wake_up_of_a_mutex
    main = Thread.current
    mutex = Thread::Mutex.new
    got = Rota.run do
      tasks = Array.new(3) { Rota.spin { rescued(KeyError, :wrong) { 100.times { lock_for_a_moment(mutex) } } } }
      busy = Thread.new { 20.times.sum while tasks.any?(&:alive?) }
      thrower = raise_while(main) { tasks.any?(&:alive?) }
      undisturbed { [busy, thrower].each(&:join) }
      undisturbed { Rota.sleep(0.001) && tasks.map(&:await) }
    end
    assert_equal [100] * 3, got
  end

  def test_thread_raise_while_the_root_task_blocks_its_thread
    main = Thread.current
    reader, writer = IO.pipe
    got = Rota.run do
      Thread.new { sleep(0.02) && main.raise(KeyError) }
      rescued(KeyError, :root) { Fiber.new(blocking: true) { reader.read(1) }.resume }
    end
    assert_equal :root, got
  ensure
    [reader, writer].each(&:close)
  end

  # There is no switchpoint any more at which it could be raised.
  def test_thread_raise_in_a_root_task_that_fails_is_not_dropped
    main = Thread.current
    error = caught(IndexError) do
      Rota.run do
        Rota.shield do
          Rota.spin { Thread.new { main.raise(KeyError) }.join }.await
          raise IndexError
        end
      end
    end
    assert_equal [IndexError, [KeyError]], [error.class, error.suppressed.map(&:class)]
  end

  def test_all_forms_of_thread_raise
    main = Thread.current
    raised = [[], ["text"], [KeyError], [KeyError, "text"], [KeyError.new("text")], [KeyError, "text", ["a:1"]]]
    got = Rota.run do
      raised.map do |arguments|
        Thread.new { main.raise(*arguments) }
        error = caught(StandardError) { Rota.sleep(5) }
        [error.class, error.message, error.backtrace == ["a:1"]]
      end
    end
    expected = [[RuntimeError, "", false], [RuntimeError, "text", false],
                [KeyError, "KeyError", false], *[[KeyError, "text", false]] * 2, [KeyError, "text", true]]
    assert_equal expected, got
  end

  def test_what_is_no_exception_is_told_to_who_raises_it
    main = Thread.current
    got = Rota.run do
      [Thread.new { caught(TypeError) { main.raise(1) } }.value, Rota.sleep(0)]
    end
    assert_equal [TypeError, 0], [got[0].class, got[1]]
  end

  def test_timeout_around_a_sleep_of_the_root_task
    got = Rota.run do
      task = Rota.spin { rescued(Timeout::Error, :wrong) { Rota.sleep(0.03) && :slept } }
      [rescued(Timeout::Error, :root) { Timeout.timeout(0.01) { Rota.sleep(5) } }, task.await]
    end
    assert_equal %i[root slept], got
  end

  def test_timeout_with_a_class_of_its_own
    error = Class.new(StandardError)
    assert_equal :root, Rota.run { rescued(error, :root) { Timeout.timeout(0.01, error) { Rota.sleep(5) } } }
  end

  def test_timeout_around_an_await
    got = Rota.run do
      task = waiting
      rescued(Timeout::Error, :root) { Timeout.timeout(0.01) { task.await } }.tap { task.stop }
    end
    assert_equal :root, got
  end

  def test_timeout_around_a_read_of_the_root_task
    reader, writer = socket_pair
    got = Rota.run do
      first = rescued(Timeout::Error, :root) { Timeout.timeout(0.01) { Rota.loop.read(reader, 4) } }
      writer.syswrite("next")
      [first, Rota.loop.read(reader, 4)]
    end
    assert_equal [:root, "next"], got
  end

  def test_a_timeout_that_does_not_fire
    assert_equal 0, Rota.run { Timeout.timeout(5) { Rota.sleep(0.001) } }
  end

  def test_many_timeouts_leave_nothing_behind
    got = Rota.run do
      Array.new(60) do |i|
        rescued(Timeout::Error, :late) { Timeout.timeout(0.005) { Rota.sleep(i.even? ? 5 : 0) } }
      end
    end
    assert_equal [:late, 0] * 30, got
  end

  # One thread raises, again and again, in the middle of everything that tasks do.
  def test_a_storm_of_thread_raise_arrives_whole
    main = Thread.current
    storm = Class.new(StandardError)
    total = 300
    got = Rota.run do
      workers = busy_tasks
      thrower = Thread.new { total.times { main.raise(storm) && sleep(rand(0.001)) } }
      seen = 0
      seen += 1 while seen < total && rescued(storm, true) { Rota.sleep(10) && false }
      workers.each(&:terminate)
      thrower.join
      seen
    end
    assert_equal total, got
  end

  def test_sigint_ends_the_process_by_sigint
    _, err, status = run_ruby(<<~RUBY)
      require "rota"
      Thread.new { sleep 0.05; Process.kill(:INT, $$) }
      Rota.run { 5.times { Rota.spin { Rota.sleep } }; Rota.sleep }
    RUBY
    assert_equal Signal.list["INT"], status.termsig, err
  end

  def test_sigint_runs_ensure_blocks_of_all_tasks
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      $stdout.sync = true
      Thread.new { sleep 0.1; Process.kill(:INT, $$) }
      Rota.run do
        3.times { Rota.spin { begin; Rota.sleep; ensure; puts "task"; end } }
        begin; Rota.sleep; ensure; puts "root"; end
      end
    RUBY
    assert_equal %w[root task task task], out.split, err
  end

  def test_a_trap_that_raises_is_raised_in_the_root_task
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      trap(:USR1) { raise KeyError, "from the trap" }
      Rota.run do
        task = Rota.spin { begin; Rota.sleep(0.2); puts "slept"; rescue KeyError; puts "wrong"; end }
        Rota.snooze
        Thread.new { sleep 0.05; Process.kill(:USR1, $$) }
        begin; Rota.sleep; rescue KeyError => e; puts e.message; end
        task.await
      end
    RUBY
    assert_equal ["from the trap\nslept\n", true], [out, status.success?], err
  end

  # -- parks inside parks ------------------------------------------------------------------------

  def test_a_trap_handler_may_sleep
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      trap(:USR1) { Rota.sleep(0.01); puts "handled" }
      Rota.run do
        task = Rota.spin { Rota.sleep(0.2); :slept }
        Thread.new { sleep 0.05; Process.kill(:USR1, $$) }
        p Rota.sleep(0.1), task.await
      end
    RUBY
    assert_equal ["handled\n0\n:slept\n", true], [out, status.success?], err
  end

  # The outer wake-up comes while the handler waits.
  def test_what_the_task_waited_for_may_come_while_a_handler_waits
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      trap(:USR1) { Rota.sleep(0.1); puts "handled" }
      Rota.run do |root|
        Rota.spin { Rota.sleep(0.02); Process.kill(:USR1, $$); Rota.sleep(0.02); root.schedule(:woken) }
        p Rota.suspend
      end
    RUBY
    assert_equal ["handled\n:woken\n", true], [out, status.success?], err
  end

  def test_a_trap_handler_may_spin_and_await
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      trap(:USR1) { puts Rota.spin { Rota.sleep(0.01); "inner" }.await }
      Rota.run do
        Rota.spin { Rota.sleep(0.02); Process.kill(:USR1, $$); Rota.sleep(0.05) }
      end
      puts "end"
    RUBY
    assert_equal ["inner\nend\n", true], [out, status.success?], err
  end

  def test_a_trap_handler_may_open_a_scope_while_the_root_waits_for_its_children
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      trap(:USR1) { Rota.spin_scope { Rota.spin { Rota.sleep(0.01); puts "inner" } } }
      Rota.run { Rota.spin { Rota.sleep(0.02); Process.kill(:USR1, $$); Rota.sleep(0.015) } }
      puts "end"
    RUBY
    assert_equal ["inner\nend\n", true], [out, status.success?], err
  end

  def test_handlers_inside_handlers
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      trap(:USR1) { Process.kill(:USR2, $$); Rota.sleep(0.02); puts "one" }
      trap(:USR2) { Rota.sleep(0.01); puts "two" }
      Rota.run do
        Rota.spin { Rota.sleep(0.02); Process.kill(:USR1, $$); Rota.sleep(0.1) }
        Rota.sleep(0.05)
      end
      puts "end"
    RUBY
    assert_equal [%w[end one two], true], [out.split.sort, status.success?], err
  end

  # As many as there are moments: while the loop waits, switches, begins and ends tasks.
  def test_a_storm_of_signals_whose_handler_parks
    out, err, status = run_ruby(<<~RUBY, timeout: 60)
      require "rota"
      handled = 0
      trap(:USR1) { Rota.sleep(0.0002); handled += 1 }
      pid = Process.pid
      sender = fork { 500.times { Process.kill(:USR1, pid); sleep 0.0005 }; exit!(0) }
      done = 0
      Rota.run do
        5.times { Rota.spin { 400.times { Rota.sleep(0.0003); done += 1 } } }
        5.times { Rota.spin { 400.times { Rota.spin { Rota.snooze }.await; done += 1 } } }
        reader, writer = IO.pipe
        Rota.spin { 400.times { Rota.loop.read(reader, 1); done += 1 } }
        Rota.spin { 400.times { Rota.loop.write(writer, "x"); Rota.snooze } }
        Process.wait(sender) # between the last task's end and the loop's, a handler cannot park
      end
      puts done, handled.positive?
    RUBY
    assert_equal ["4400\ntrue\n", true], [out, status.success?], err
  end

  def test_a_storm_of_signals_whose_handler_raises
    out, err, status = run_ruby(<<~RUBY, timeout: 60)
      require "rota"
      class Storm < StandardError; end
      trap(:USR1) { raise Storm if Rota.loop? } # behind the run nothing would rescue it
      pid = Process.pid
      begin
        Rota.run do
          workers = Array.new(5) { Rota.spin { loop { Rota.sleep(0.0003) } } }
          sender = fork { 200.times { Process.kill(:USR1, pid); sleep 0.001 }; exit!(0) }
          begin
            Process.wait(sender, Process::WNOHANG) ? break : Rota.sleep(0.01)
          rescue Storm
            retry
          end while true
          workers.each { |worker| worker.terminate if worker.alive? }
        end
      rescue Storm
        puts "a storm reached a task's own code" # legal: it surfaced in Ruby code of a task
      end
      puts "end"
    RUBY
    assert_includes out, "end", err
    assert_predicate status, :success?, err
  end

  def test_a_finalizer_may_park
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      finalized = 0
      Rota.run do
        make = proc { 50.times { ObjectSpace.define_finalizer(Object.new, proc { Rota.snooze; finalized += 1 }) } }
        tasks = Array.new(5) { Rota.spin { 50.times { Rota.snooze; make.call; GC.start if rand(5).zero? } } }
        tasks.each(&:await)
        GC.start
      end
      puts finalized.positive?
    RUBY
    assert_equal ["true\n", true], [out, status.success?], err
  end

  # -- the end of threads and of the process -----------------------------------------------------

  def test_kill_of_a_thread_runs_ensure_blocks_of_root_and_tasks
    seen = ::Queue.new
    thread = Thread.new do
      Rota.run do
        3.times { |i| Rota.spin { suspend_ensuring { seen << i } } }
        Rota.snooze
        suspend_ensuring { seen << :root }
      end
    end
    Thread.pass until thread.stop?
    thread.kill.join
    assert_equal [:root, 0, 1, 2], Array.new(4) { seen.pop }
  end

  # The kill surfaces in the wait for the last answer to the request.
  { break: -> {}, exception: -> { raise KeyError } }.each do |way, leave|
    define_method("test_kill_of_a_thread_that_has_left_a_request_with_many_results_by_#{way}") do
      near, far = socket_pair
      far.write("x")
      went_on = false
      receive = lambda do |thread|
        rescued(KeyError, nil) { Rota.loop.recv_each(near) { computing { thread.kill } && leave[] || break } }
        went_on = true
      end
      thread = Thread.new do
        Thread.handle_interrupt(Object => :on_blocking) { Rota.run { receive[Thread.current] } }
      end
      assert_nil thread.value
      refute went_on
    end
  end

  # A throw unwinds the task, and its request is waited for: a kill that surfaces in that wait goes on.
  { read: ->(io) { Rota.loop.read(io, 1) },
    batch: ->(io) { Rota.loop.batch { |batch| batch.read(io, 1) } } }.each do |verb, wait|
    define_method("test_kill_of_a_thread_in_the_middle_of_a_throw_out_of_a_#{verb}") do
      reader, = socket_pair
      work = lambda do |thread|
        task = waiting { catch(:out) { wait[reader] } }
        Rota.sleep(0.001) until Rota.loop.stats[:ops_in_flight] == 1 # it is in the kernel
        task.interject { computing { thread.kill } && throw(:out) }
        Rota.sleep
      end
      thread = Thread.new do
        Thread.handle_interrupt(Object => :on_blocking) { Rota.run { work[Thread.current] } }
      end
      assert thread.join(5), "it was dropped"
    end
  end

  def test_clean_up_may_park_in_a_killed_thread
    seen = ::Queue.new
    thread = Thread.new do
      Rota.run do
        waiting { suspend_ensuring { Rota.sleep(0.005) && seen << :task } }
        suspend_ensuring { Rota.sleep(0.005) && seen << :root }
      end
    end
    Thread.pass until thread.stop?
    thread.kill.join
    assert_equal %i[root task], Array.new(2) { seen.pop }
  end

  # Kills at any moment: a thread that runs tasks, I/O and spins ends within its time, and leaves
  # nothing behind (see teardown).
  def test_kill_at_random_moments
    random = Random.new(seed)
    60.times do
      reader, writer = socket_pair
      thread = Thread.new { Rota.run { busy_tasks(reader, writer) && Rota.sleep } }
      sleep(random.rand(0.01))
      thread.kill
      assert thread.join(20), "a killed thread did not end (seed #{seed})"
      [reader, writer].each(&:close)
    end
  end

  def test_raise_at_random_moments
    random = Random.new(seed)
    60.times do
      reader, writer = socket_pair
      thread = Thread.new { Rota.run { busy_tasks(reader, writer) && Rota.sleep } }
      thread.report_on_exception = false
      sleep(random.rand(0.01))
      thread.raise(KeyError)
      assert caught(KeyError) { thread.join(20) }, "a thread that was raised in did not end (seed #{seed})"
      [reader, writer].each(&:close)
    end
  end

  # The main thread ends while others run loops: Ruby kills them.
  def test_process_exit_at_random_moments
    30.times do |i|
      _, err, status = run_ruby(<<~RUBY)
        require "rota"
        random = Random.new(#{seed + i})
        Thread.new do
          Rota.run do
            reader, writer = IO.pipe
            Rota.spin { loop { Rota.loop.read(reader, 100) } }
            Rota.spin { loop { Rota.loop.write(writer, "x" * 50); Rota.snooze } }
            Rota.spin { loop { Rota.spin { Rota.sleep(0.0001) }.await } }
            Rota.sleep
          end
        end
        sleep random.rand(0.02)
      RUBY
      assert_equal [0, ""], [status.exitstatus, err], "seed #{seed + i}"
    end
  end

  def test_process_exit_inside_a_run_at_random_moments
    20.times do |i|
      _, err, status = run_ruby(<<~RUBY)
        require "rota"
        random = Random.new(#{seed + i})
        Rota.run do
          reader, writer = IO.pipe
          Rota.spin { loop { Rota.loop.read(reader, 100) } }
          Rota.spin { loop { Rota.loop.write(writer, "x" * 50); Rota.snooze } }
          Rota.spin { loop { Rota.spin { Rota.sleep(0.0001) }.await } }
          Rota.spin { Rota.sleep(random.rand(0.02)); exit 5 }
          Rota.sleep
        end
      RUBY
      assert_equal [5, ""], [status.exitstatus, err], "seed #{seed + i}"
    end
  end

  # -- the kernel and the memory of Strings ------------------------------------------------------

  # A read into a String is interrupted, the String and its neighbours are used anew, then the bytes
  # arrive. Whatever finds them in its memory was written by the kernel behind our back.
  def test_after_an_interrupt_nothing_is_written_into_the_string
    main = Thread.current
    Rota.run do
      100.times do |i|
        reader, writer = socket_pair
        buffer = String.new(capacity: 4096)
        kind = i % 4
        thread = Thread.new { sleep(0.0005) && main.raise(KeyError) } if kind.zero?
        rescued(KeyError, nil) { interrupted_read(reader, buffer, kind) }
        thread&.join
        rescued(KeyError, nil) { Rota.snooze } # one that came late
        buffer.replace("." * 4000)
        fresh = Array.new(50) { "," * 4000 }
        writer.syswrite("KERNEL" * 600)
        Rota.sleep(0.0002)
        assert_equal "." * 4000, buffer
        fresh.each { |string| assert_equal "," * 4000, string }
        [reader, writer].each(&:close)
      end
    end
  end

  def test_embedded_strings_are_not_written_either
    Rota.run do
      100.times do
        reader, writer = socket_pair
        buffer = +""
        Rota.move_on_after(0.0003) { Rota.loop.read(reader, 16, buffer) }
        buffer.replace("....")
        fresh = Array.new(100) { |n| "fresh #{n}" }
        writer.syswrite("KERNEL-WAS-HERE!")
        Rota.sleep(0.0002)
        assert_equal ["....", true], [buffer, fresh.each_with_index.all? { |string, n| string == "fresh #{n}" }]
        [reader, writer].each(&:close)
      end
    end
  end

  private

  # No faster than they can be taken.
  def raise_while(thread)
    Thread.new do
      while yield
        thread.raise(KeyError)
        sleep(0.0005 + rand(0.001))
      end
    end
  end

  # No call that may block while another thread runs the block.
  def computing
    done = false
    Thread.new { [yield, done = true] }
    nil until done
    done
  end

  def calls_of_core
    reader, writer = IO.pipe
    Process.kill(0, Process.pid)
    [reader, writer].each(&:close)
    :called
  end

  def lock_for_a_moment(mutex) = mutex.synchronize { sleep(0) }

  # The block's value, once it was left alone.
  def undisturbed
    yield
  rescue KeyError
    retry
  end

  def seed = @seed ||= Integer(ENV.fetch("ROTA_SEED", Minitest.seed))

  def interrupted_read(reader, buffer, kind)
    case kind
    when 0 then Rota.loop.read(reader, 4096, buffer)
    when 1 then Rota.move_on_after(0.0005) { Rota.loop.read(reader, 4096, buffer) }
    when 2 then rescued(Timeout::Error, nil) { Timeout.timeout(0.0005) { Rota.loop.read(reader, 4096, buffer) } }
    else
      task = waiting { Rota.loop.read(reader, 4096, buffer) }
      task.stop.await
    end
  end

  # Everything that tasks do, without end.
  def busy_tasks(reader = nil, writer = nil)
    tasks = [Rota.spin { loop { Rota.sleep(0.0002) } },
             Rota.spin { loop { 20.times { Rota.snooze } && Rota.sleep(0.0001) } },
             Rota.spin { loop { Rota.spin { Rota.snooze }.await && Rota.sleep(0.0001) } }]
    if reader
      tasks << Rota.spin { loop { Rota.loop.read(reader, 100) } }
      tasks << Rota.spin { loop { Rota.loop.write(writer, "x" * 30) && Rota.sleep(0.0001) } }
    end
    tasks
  end
end
