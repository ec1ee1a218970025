# frozen_string_literal: true

require_relative "../test_helper"

# Loop#waitpid: in the ring, through a descriptor of the process, and in a thread.
class WaitpidTest < RotaTest
  # name => options of Rota.run
  WAYS = { "as the engine does": {}, "by pidfd": { without: :waitid } }.freeze

  WAYS.each do |way, options|
    define_method(:"test_the_status_#{way}") do
      Rota.run(**options) do
        others = 0
        Rota.spin { 3.times { (others += 1) && Rota.snooze } }
        pid = child("sleep 0.02; exit 3")
        status = Rota.loop.waitpid(pid)
        assert_equal [pid, 3], [status.pid, status.exitstatus]
        assert_same $?, status
        assert_operator others, :>, 0
      end
    end

    define_method(:"test_killed_by_a_signal_#{way}") do
      Rota.run(**options) do
        pid = child("sleep 10")
        Rota.spin { Process.kill(:KILL, pid) }
        assert_equal 9, Rota.loop.waitpid(pid).termsig
      end
    end

    define_method(:"test_a_cancelled_wait_eats_no_status_#{way}") do
      Rota.run(**options) do
        20.times do |i|
          reader, writer = IO.pipe
          pid = child("read line; exit 5", in: reader)
          wait = Rota.spin { Rota.loop.waitpid(pid) }
          Rota.snooze
          i.even? ? writer.puts : Rota.after(0.0001 * i) { writer.puts }
          Rota.sleep(0.0002 * i)
          wait.stop
          value = wait.await || Rota.loop.waitpid(pid)
          assert_equal 5, value.exitstatus
          [reader, writer].each(&:close)
        end
      end
    end

    define_method(:"test_reaped_by_somebody_else_#{way}") do
      Rota.run(**options) do
        pid = child("sleep 10")
        Rota.spin do
          Process.kill(:TERM, pid)
          # on a fiber that asks no scheduler, so that the loop has no turn in between
          Fiber.new(blocking: true) { Process.wait(pid) }.resume
        end
        assert_match(/waitpid/, assert_raises(Errno::ECHILD) { Rota.loop.waitpid(pid) }.message)
      end
    end

    # In a process of its own: this one has children that are not the test's.
    define_method(:"test_many_waits_for_any_child_#{way}") do
      out, err, = run_ruby(<<~RUBY)
        require "rota"
        Rota.run(**#{options}) do
          pids = Array.new(5) { |i| Process.spawn("sleep 0.0\#{i}") }
          waits = pids.map { Rota.spin { Rota.loop.waitpid(-1).pid } }
          p Rota::Task.await(*waits).sort == pids.sort
          Rota.loop.waitpid(-1)
        rescue Errno::ECHILD
          puts "no more"
        end
      RUBY
      assert_equal ["true\nno more\n", ""], [out, err]
    end

    define_method(:"test_a_stop_and_a_group_#{way}") do
      Rota.run(**options) do
        pid = child("kill -STOP $$; exit 4", pgroup: true)
        status = Rota.loop.waitpid(pid, Process::WUNTRACED)
        assert_equal [true, Signal.list["STOP"]], [status.stopped?, status.stopsig]
        Process.kill(:CONT, pid)
        assert_equal 4, Rota.loop.waitpid(-pid).exitstatus
      end
    end
  end

  def test_without_waiting
    Rota.run do
      pid = child("sleep 10")
      assert_nil Rota.loop.waitpid(pid, Process::WNOHANG)
      Process.kill(:KILL, pid)
      Rota.loop.waitpid(pid)
    end
  end

  def test_no_such_child
    Rota.run do
      assert_raises(Errno::ECHILD) { Rota.loop.waitpid(Process.pid) }
      assert_raises(TypeError) { Rota.loop.waitpid("1") }
      assert_raises(ArgumentError) { Rota.loop.waitpid }
    end
  end

  def test_a_deadline
    Rota.run do
      pid = child("sleep 10", pgroup: true)
      assert_equal :late, Rota.move_on_after(0.01, with_value: :late) { Rota.loop.waitpid(pid) }
      assert_equal :late, Rota.move_on_after(0.01, with_value: :late) { Rota.loop.waitpid(-pid) }
      Process.kill(:KILL, pid)
      Rota.loop.waitpid(pid)
    end
  end

  def test_a_killed_thread_leaves_the_status
    pid = child("sleep 10")
    thread = Thread.new { Rota.run { Rota.loop.waitpid(pid) } }
    Thread.pass until thread.status == "sleep"
    thread.kill.join
    Process.kill(:KILL, pid)
    assert_equal 9, Process.wait2(pid).last.termsig
  end

  def test_the_main_fiber_waits_while_its_tasks_run
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      Rota.spin { puts "task" }
      puts Rota.loop.waitpid(Process.spawn("sleep 0.05; exit 2")).exitstatus
    RUBY
    assert_equal ["task\n2\n", ""], [out, err]
  end

  # Nobody tells who waits for a child that an ignored SIGCHLD took away but the end of it.
  def test_children_that_nobody_wants
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      trap(:CHLD, "IGNORE")
      [{}, { without: :waitid }].each do |options|
        Rota.run(**options) do
          Rota.loop.waitpid(Process.spawn("sleep 0.05"))
        rescue Errno::ECHILD
          puts "gone"
        end
      end
    RUBY
    assert_equal ["gone\ngone\n", ""], [out, err]
  end

  private

  def child(script, **options) = Process.spawn("sh", "-c", script, **options)
end
