# frozen_string_literal: true

# also under: valgrind
require "io/wait"
require "timeout"
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

  # Each of these is over at once, every time.
  IMPATIENT = {
    "a sleep of a nanosecond" => -> { Rota.sleep(1e-9) },
    "a deadline that is over soon" => -> { Rota.move_on_after(1e-9) { Rota.suspend } },
    "a deadline that is over" => -> { Rota.move_on_after(0) { Rota.suspend } },
    "an exception at once" => -> { caught(Rota::TimeoutError) { Rota.cancel_after(0) { Rota.suspend } } },
    "a queue, without waiting" => -> { caught(ThreadError) { Rota::Queue.new.pop(true) } },
    "a queue, for no time" => -> { Rota::Queue.new.pop(timeout: 0) },
    "a queue, for a nanosecond" => -> { Rota::Queue.new.pop(timeout: 1e-9) },
    "a full queue, for no time" => -> { @full.push(1, timeout: 0) },
    "the end of a task, for no time" => -> { @endless.join(0) },
    "a selection, for no time" => -> { Rota.select(@endless, timeout: 0) },
    "a selection of what is always ready" => -> { Rota.select(@full, @endless) && @full.push(1) },
    "a queue that is never empty" => -> { @full.push(@full.pop) },
    "an event that is signalled" => -> { (@event ||= Rota::Event.new).signal.await },
    "a semaphore that is free" => -> { (@semaphore ||= Rota::Semaphore.new(1)).acquire { nil } },
    "a rate that cannot be kept" => -> { (@throttler ||= Rota::Throttler.new(1e9)).process { nil } },
    "core's sleep" => -> { sleep(1e-9) },
    "core's Timeout" => -> { caught(Timeout::Error) { Timeout.timeout(1e-9) { sleep } } },
    "an IO that is not ready, for no time" => -> { @silent.wait_readable(0) },
    "an IO that is not ready, for a nanosecond" => -> { @silent.wait_readable(1e-9) },
    "an IO that takes everything" => -> { @silent.wait_writable },
    "an IO that takes everything, in time" => -> { @silent.wait(IO::WRITABLE, 1) },
    "an IO that takes single bytes" => -> { File.open(IO::NULL, "w") { |file| file.syswrite("x") } },
    "an IO that never ends" => -> { File.open("/dev/zero") { |file| file.read_nonblock(1) } },
    "a child that runs, by the verb" => -> { Rota.loop.waitpid(@child, Process::WNOHANG) },
    "a selection of IOs that are always ready" => -> { IO.select(nil, [@silent]) }
  }.freeze

  IMPATIENT.each do |name, wait|
    next if name.include?("IOs") && RUBY_VERSION < "3.2" # core does not ask the scheduler

    define_method("test_reads_complete_beside_#{name.gsub(/\W+/, '_')}_again_and_again") do
      reader, writer, @silent, _other = socket_pair + socket_pair
      @full = Rota::Queue.new(capacity: 1) << 1
      run_beside_child(name) do |root|
        @endless = Rota.spin { Rota.sleep }
        read = Rota.spin { Rota.loop.recv(reader, 10) }
        Rota.sleep(0.002) until Rota.loop.stats[:ops_in_flight] == 1
        writer.syswrite("through")
        20_000.times do
          break if read.dead?

          instance_exec(&wait)
        end
        assert_predicate read, :dead?
        root.terminate_all_children
      end
    end
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

  # A loop; in it @child runs, if the test's name speaks of one.
  def run_beside_child(name, &block)
    @child = Process.spawn("exec sleep 9") if name.include?("child")
    Rota.run(&block)
  ensure
    Process.kill(:KILL, @child) && Process.wait(@child) if @child
  end

  def beside_busy_tasks
    busy = Array.new(3) { Rota.spin { loop { Rota.snooze } } }
    yield
  ensure
    busy.each(&:terminate)
  end
end
