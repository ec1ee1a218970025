# frozen_string_literal: true

require_relative "../test_helper"

# INT and TERM, and handlers of the program's own. In processes of their own.
class SignalsTest < RotaTest
  time_limit 180 # many processes, on a busy machine

  def test_int_is_an_interrupt_in_the_root_task
    out, = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do |root|
        Rota.spin { Rota.sleep(0.005); Process.kill(:INT, Process.pid) }
        Rota.sleep(5)
      rescue Interrupt
        puts "in the root: \#{Rota.current.equal?(root)}"
      end
    RUBY
    assert_equal "in the root: true\n", out
  end

  def test_the_wait_status_is_rubys_own
    %w[INT TERM].each do |signal|
      _, _, status = run_ruby(<<~RUBY)
        require "rota"
        Rota.run { Rota.spin { Process.kill(:#{signal}, Process.pid) }; Rota.sleep(5) }
      RUBY
      assert_equal Signal.list[signal], status.termsig, signal
    end
  end

  def test_ensure_blocks_run_with_working_io
    out, = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do
        reader, writer = IO.pipe
        Rota.spin { begin Rota.sleep ensure Rota.loop.write(writer, "bye"); puts Rota.loop.read(reader, 3) end }
        Rota.spin { Rota.sleep(0.005); Process.kill(:TERM, Process.pid) }
        Rota.sleep(5)
      end
    RUBY
    assert_equal "bye\n", out
  end

  def test_a_second_int_ends_at_once
    out, _, status = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do
        Process.kill(:INT, Process.pid)
        Rota.sleep(5)
      ensure
        Process.kill(:INT, Process.pid)
        Rota.shield { Rota.sleep(5) }
        puts "not reached"
      end
    RUBY
    assert_equal [130, ""], [status.exitstatus, out]
  end

  # A timer's signals hit every moment, also the last one before the loop sleeps: whom a handler lets run
  # there asks for something, which must not wait for whatever ends the sleep.
  def test_what_others_ask_for_while_a_handler_waits_is_asked_for_at_once
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      begin
        require "fiddle"
      rescue LoadError
        exit(3)
      end
      types = [Fiddle::TYPE_INT, Fiddle::TYPE_VOIDP, Fiddle::TYPE_VOIDP]
      setitimer = Fiddle::Function.new(Fiddle.dlopen(nil)["setitimer"], types, Fiddle::TYPE_INT)
      every = ->(microseconds) { setitimer.call(0, [0, microseconds, 0, microseconds].pack("q4"), nil) }
      asked = served = 0
      Rota.run do |root|
        queue = Rota::Queue.new
        near, far = UNIXSocket.pair
        inside = false
        trap(:ALRM) do
          next if inside
          inside = true
          queue << (asked += 1)
          Rota.snooze
          inside = false
        end
        Rota.spin do
          while queue.shift
            Rota.loop.batch { |b| 2.times { b.write(near, "a") } }
            served += Rota.loop.read(far, 2).size / 2
          end
        end
        10.times { Rota.spin { loop { Rota.sleep(rand / 5000) } } }
        every.call(83)
        Rota.sleep(2)
        every.call(0)
        Rota.sleep(0.1)
        root.children.each(&:stop)
      end
      puts asked - served
    RUBY
    skip "no Fiddle" if status.exitstatus == 3
    assert_equal ["0\n", ""], [out, err]
  end

  def test_handlers_of_the_program_stay
    out, = run_ruby(<<~RUBY)
      require "rota"
      trap(:INT) { puts "mine" }
      trap(:TERM, "IGNORE")
      Rota.run { Process.kill(:INT, Process.pid); Process.kill(:TERM, Process.pid); Rota.sleep(0.01) }
      p trap(:TERM, "DEFAULT")
    RUBY
    assert_equal "mine\n\"IGNORE\"\n", out
  end

  def test_the_default_is_restored
    out, = run_ruby('require "rota"; Rota.run { nil }; p trap(:INT, "DEFAULT"), trap(:TERM, "DEFAULT")')
    assert_equal "\"DEFAULT\"\n\"DEFAULT\"\n", out
  end

  # The moment differs from run to run: in the connection's Ruby code, in a switch, in a wait.
  def test_int_never_lands_in_a_connection
    30.times do |seed|
      out, err, status = run_ruby(<<~RUBY, (seed / 3_000.0).to_s)
        require "rota"
        torn = nil
        Rota.run do
          listener = Rota.listen("127.0.0.1:0") do |stream|
            while (line = stream.gets)
              stream.write(line)
            end
          rescue Interrupt => e
            torn = e
          end
          client = Rota.spin do
            stream = Rota.connect(listener.address)
            loop { stream.write("line\\n"); stream.gets }
          end
          Rota.spin { Rota.sleep(ARGV[0].to_f); Process.kill(:INT, Process.pid) }
          client.await
        rescue Interrupt
          client.stop
          listener.stop
          puts "stopped"
        end
        abort "torn" if torn
      RUBY
      assert_predicate status, :success?, "#{seed}: #{err}"
      assert_equal "stopped\n", out, seed
    end
  end

  # A handler that makes a task ready, or raises in the main thread, is never slept over.
  def test_a_handler_is_never_slept_over
    ["root.raise(IOError)", "Thread.main.raise(IOError)", "sleeper.schedule"].each do |action|
      20.times do
        _, err, status = run_ruby(<<~RUBY, timeout: 10)
          require "rota"
          Rota.run do |root|
            sleeper = nil
            trap(:USR1) { #{action} }
            sleeper = Rota.spin { Rota.sleep; root.raise(IOError) }
            Rota.snooze
            Process.spawn("kill", "-USR1", Process.pid.to_s)
            Rota.sleep
          rescue IOError
            sleeper.stop
          end
        RUBY
        assert_predicate status, :success?, "#{action}: #{err}"
      end
    end
  end
end
