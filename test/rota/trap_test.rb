# frozen_string_literal: true

require_relative "../test_helper"

# Rota.trap, and what a handler means to the loop. In processes of their own.
class TrapTest < RotaTest
  def test_a_handler_is_a_task_with_working_io
    assert_program "SIGUSR1 10: ping\n", <<~RUBY
      Rota.run do
        reader, writer = IO.pipe
        done = Rota::Event.new
        Rota.trap(:USR1) do |number|
          Rota.loop.write(writer, "ping")
          Rota.sleep(0.001)
          puts "\#{Rota.current.tag} \#{number}: \#{Rota.loop.read(reader, 4)}"
          done.signal
        end
        Process.kill(:USR1, Process.pid)
        done.await
      end
    RUBY
  end

  def test_it_goes_first
    assert_program "handler\ntask\n", <<~RUBY
      Rota.run do
        Rota.trap(:USR1) { puts "handler" }
        Rota.spin { puts "task" }
        Process.kill(:USR1, Process.pid)
      end
    RUBY
  end

  def test_its_exceptions_go_to_the_root_task
    assert_program "KeyError in the root\n", <<~RUBY
      Rota.run do
        Rota.trap("USR1") { raise KeyError }
        Rota.spin { Rota.sleep(0.001); Process.kill(:USR1, Process.pid); Rota.sleep(5) }
        Rota.sleep(5)
      rescue KeyError => e
        puts "\#{e.class} in the root"
        Rota.current.terminate_all_children
      end
    RUBY
  end

  def test_a_deaf_program_is_no_deadlock
    assert_program "hup\n", <<~RUBY
      Rota.run do |root|
        Rota.trap(:HUP) { puts "hup"; root.schedule }
        Process.spawn("sleep 0.1; kill -HUP \#{Process.pid}")
        Rota.suspend
      end
    RUBY
  end

  def test_handlers_of_the_program_are_no_deadlock_either
    %w[USR2 WINCH CHLD INT].each do |signal|
      assert_program "woken\n", <<~RUBY
        Rota.run do |root|
          trap(:#{signal}) { puts "woken"; root.schedule }
          Process.spawn("sleep 0.1; kill -#{signal} \#{Process.pid}; sleep 10")
          Rota.suspend
          trap(:#{signal}, "DEFAULT")
          exit!(0)
        end
      RUBY
    end
  end

  def test_without_a_handler_it_is_one
    assert_program "Rota::Deadlock\nRota::Deadlock\n", <<~RUBY
      Rota.run { Rota.suspend rescue puts $!.class }
      Rota.run do
        Rota.trap(:HUP) { }.remove
        Rota.suspend rescue puts $!.class
      end
    RUBY
  end

  def test_dispositions_are_put_back
    assert_program "[\"DEFAULT\", \"IGNORE\", \"mine\"]\n", <<~RUBY
      trap(:USR2, "IGNORE")
      trap(:HUP) { "mine" }
      Rota.run { %i[USR1 USR2 HUP].each { |signal| Rota.trap(signal) { } } }
      p [trap(:USR1, "DEFAULT"), trap(:USR2, "DEFAULT"), trap(:HUP, "DEFAULT").call]
    RUBY
  end

  def test_what_the_program_put_over_it_stays
    assert_program "\"later\"\n", <<~RUBY
      Rota.run do
        handler = Rota.trap(:HUP) { }
        trap(:HUP) { "later" }
        2.times { handler.remove }
      end
      p trap(:HUP, "DEFAULT").call
    RUBY
  end

  def test_one_over_another
    assert_program "second\nfirst\n", <<~RUBY
      Rota.run do
        Rota.trap(:USR1) { puts "first" }
        second = Rota.trap(:USR1) { puts "second" }
        Process.kill(:USR1, Process.pid)
        Rota.sleep(0.005)
        second.remove
        Process.kill(:USR1, Process.pid)
        Rota.sleep(0.005)
      end
    RUBY
  end

  def test_instead_of_int_and_term
    assert_program "INT\nTERM\nINT\nend\n", <<~RUBY
      Rota.run do
        %i[INT TERM].each { |signal| Rota.trap(signal) { puts signal } }
        %i[INT TERM INT].each { |signal| Process.kill(signal, Process.pid); Rota.sleep(0.005) }
        puts "end"
      end
    RUBY
  end

  def test_int_and_term_after_them
    %w[INT TERM].each do |signal|
      out, err, status = run_ruby(<<~RUBY)
        require "rota"
        Rota.run { Rota.trap(:#{signal}) { } }
        p trap(:#{signal}, "DEFAULT")
        Process.kill(:#{signal}, Process.pid)
        sleep 5
      RUBY
      assert_equal ["\"DEFAULT\"\n", Signal.list[signal]], [out, status.termsig], err
    end
  end

  def test_removed_in_the_order_of_their_installation
    assert_program "c\nmine\nmine\n\"IGNORE\"\n", <<~RUBY
      trap(:USR1) { puts "mine" }
      trap(:USR2, "IGNORE")
      hit = -> { Process.kill(:USR1, Process.pid); Rota.sleep(0.005) }
      Rota.run do
        a, b, c = %w[a b c].map { |name| Rota.trap(:USR1) { puts name } }
        [a, b].each(&:remove)
        hit.call
        c.remove
        hit.call
        d, e = %w[d e].map { |name| Rota.trap(:USR2) { puts name } }
        [d, e].each(&:remove)
      end
      hit.call
      p trap(:USR2, "DEFAULT")
    RUBY
  end

  # ... by a handler of the program that lay over it, and calls it or puts it back.
  def test_one_that_is_called_after_its_end
    assert_program "over\nunder\nunder\n", <<~RUBY
      trap(:USR1) { puts "under" }
      ours = nil
      Rota.run do
        Rota.trap(:USR1) { puts "never" }
        ours = trap(:USR1) { puts "over"; ours.call(Signal.list["USR1"]) }
      end
      Process.kill(:USR1, Process.pid)
      trap(:USR1, ours)
      Process.kill(:USR1, Process.pid)
    RUBY
  end

  def test_in_another_thread
    assert_program "true\n", <<~RUBY
      thread = Thread.new do
        Rota.run do
          seen = Rota::Event.new
          Rota.trap(:USR1) { seen.signal(Thread.current) }
          Process.kill(:USR1, Process.pid)
          seen.await
        end
      end
      p thread.value.equal?(thread)
    RUBY
  end

  def test_in_a_script
    assert_program "handler\n", <<~RUBY
      Rota.trap(:USR1) { puts "handler" }
      Process.kill(:USR1, Process.pid)
      Rota.sleep(0.005)
    RUBY
  end

  def test_of_a_script_in_runs
    assert_program "USR1\nTERM\nUSR1\n", <<~RUBY
      %i[USR1 TERM].each { |signal| Rota.trap(signal) { puts signal } }
      [%i[USR1 TERM], %i[USR1]].each do |signals|
        Rota.run(entries: 8) do
          signals.each { |signal| Process.kill(signal, Process.pid); sleep 0.005 }
        end
      end
    RUBY
  end

  def test_of_a_script_at_its_end
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      $stdout.sync = true
      at_exit { Process.kill(:TERM, Process.pid); sleep 5; puts "deaf" }
      Rota.trap(:TERM) { puts "handler" }
      Process.kill(:TERM, Process.pid)
      Rota.sleep(0.005)
    RUBY
    assert_equal ["handler\n", Signal.list["TERM"]], [out, status.termsig], err
  end

  def test_in_a_child_it_was_never_there
    assert_program "USR1\n0\n", <<~RUBY
      Rota.run do
        Rota.trap(:USR1) { puts "never" }
        Rota.trap(:USR2) { puts "never" }
        pid = fork { Process.kill(:USR1, Process.pid); sleep 5 }
        puts Signal.signame(Process.wait2(pid).last.termsig)
        pid = fork { trap(:USR2) { exit!(0) }; Process.kill(:USR2, Process.pid); sleep 5 }
        puts Process.wait2(pid).last.exitstatus
      end
    RUBY
  end

  # Whether the child has a run of its own yet or not.
  def test_int_and_term_in_a_child
    assert_program "INT TERM INT TERM INT TERM\n", <<~RUBY
      Rota.run do
        signals = [-> { sleep 5 }, -> { Rota.run { Rota.sleep(5) } }, -> { Rota.sleep(5) }].flat_map do |wait|
          %w[INT TERM].map do |signal|
            ready, go = IO.pipe
            pid = fork { $stderr.reopen(File::NULL); go.write("x"); wait.call }
            ready.read(1)
            Process.kill(signal, pid)
            Signal.signame(Process.wait2(pid).last.termsig)
          end
        end
        puts signals.join(" ")
      end
    RUBY
  end

  # Wherever in the making of the loop it comes.
  def test_tasks_of_a_handler_that_comes_before_the_loop
    %w[before after].each do |moment|
      assert_program "handler's task\n[1, :block]\n", <<~RUBY
        Rota::Loop.singleton_class.prepend(Module.new do
          def open(options)
            handler = -> { $task ||= Rota.spin { Rota.sleep(0.001); puts "handler's task" } }
            handler.call if "#{moment}" == "before"
            super.tap { handler.call }
          end
        end)
        $task = nil
        p(Rota.run(entries: 8) { [Rota.spin { Rota.sleep(0.003); 1 }.await, :block] })
      RUBY
    end
  end

  # It is as if it had come after the run.
  def test_a_handler_that_comes_between_the_end_of_a_run_and_its_close
    { "p Rota.sleep(0)" => "0\n[1, 2]\n",
      "p Rota.spin { sleep 0.001; Rota.sleep(0.001); :task }.await" => ":task\n[1, 2]\n",
      "p Rota.run(entries: 8) { sleep 0.001; Rota.spin { :run }.await }" => ":run\n[1, 2]\n",
      "p Rota.move_on_after(0.001, with_value: :moved) { Rota.sleep }" => ":moved\n[1, 2]\n",
      "Rota.spin { sleep 0.001; Rota.sleep(0.001); puts :late }" => "[1, 2]\nlate\n" }.each do |work, expected|
      ["Rota::Signals.singleton_class, :put_back", "Rota.singleton_class, :leave"].each do |moment|
        assert_program expected, <<~RUBY
          hit = true
          trap(:USR1) { hit = false; #{work} }
          owner, method = #{moment}
          owner.prepend(Module.new do
            define_method(method) { |given| Process.kill(:USR1, Process.pid) if hit; super(given) }
          end)
          p [Rota.run { 1 }, Rota.run { 2 }]
          Rota.sleep(0.03)
        RUBY
      end
    end
  end

  def test_signals_that_nobody_can_have
    Rota.run do
      ["SEGV", :nonsense, :EXIT, 0].each { |signal| assert_raises(ArgumentError) { Rota.trap(signal) { nil } } }
      assert_raises(Errno::EINVAL) { Rota.trap(:KILL) { nil } }
      assert_raises(ArgumentError) { Rota.trap(:USR1) }
    end
  end

  # Every byte arrives, once and in its order. Signals without a pause would keep Ruby in its handlers for
  # ever: it runs them until none is pending.
  def test_a_storm_during_reads_and_writes
    assert_program "true\n", <<~RUBY
      count = 0
      bytes = Random.new(1).bytes(1_000_000)
      received = Rota.run do
        Rota.trap(:USR1) { count += 1 }
        storm = Process.spawn("while kill -USR1 \#{Process.pid}; do sleep 0.0005; done 2>/dev/null")
        Rota.sleep(0.001) until count.positive? # it has begun
        reader, writer = IO.pipe
        copy = Rota.spin do
          got = "".b
          buffer = "".b
          while Rota.loop.read(reader, 1 + rand(5000), buffer)
            got << buffer
            GC.start if rand(100).zero?
          end
          got
        end
        0.step(bytes.size - 1, 7001) { |start| Rota.loop.write(writer, bytes[start, 7001]) }
        writer.close
        copy.await.tap { Process.kill(:KILL, storm); Process.wait(storm) }
      end
      puts received == bytes
    RUBY
  end

  private

  def assert_program(expected, program)
    out, err, status = run_ruby("require 'rota'\n$stdout.sync = true\n#{program}")
    assert_equal [expected, ""], [out, err]
    assert_predicate status, :success?
  end
end
