# frozen_string_literal: true

require_relative "../test_helper"
require "open3"

# Rota.spawn, Rota.system, Rota.capture: MRI's own are the oracle.
class ProcessTest < RotaTest
  # name => command and options of Kernel#system
  SYSTEMS = {
    "success" => ["true"], "a status" => ["exit 3"], "a signal" => ["kill -9 $$"], "no command" => ["/nonexistent"],
    "no permission" => ["/etc/passwd"], "arguments" => ["test", "a", "=", "a"],
    "argv0" => [%w[sh my-name], "-c", "exit 4"],
    "environment" => [{ "A_NAME" => "value" }, "test $A_NAME = value"],
    "no environment" => [{ "HOME" => nil }, "test -z $HOME", { unsetenv_others: true }],
    "a folder" => ["test $(pwd) = /", { chdir: "/" }]
  }.freeze

  SYSTEMS.each do |name, command|
    define_method(:"test_system_as_ruby_with_#{name}") do
      expected = outcome_of_system(Kernel, command)
      assert_equal expected, Rota.run { outcome_of_system(Rota, command) }
    end
  end

  def test_system_lets_others_run
    Rota.run do
      ran = false
      Rota.spin { ran = true }
      assert Rota.system("sleep 0.02")
      assert ran
    end
  end

  # Where the process' ends of the pipes are closed Ruby 4.0 may let others run.
  def test_who_is_interrupted_while_pipes_are_closed_has_no_process
    out, err, = run_ruby(<<~'RUBY')
      require "rota"
      Rota.run do |root|
        pid = nil
        Process.singleton_class.prepend(Module.new do
          define_method(:spawn) do |*given|
            Rota.spin { root.raise(IndexError) }
            pid = super(*given)
          end
        end)
        IO.prepend(Module.new do
          def close
            Rota.snooze
            super
          end
        end)
        before = Dir.children("/proc/self/fd").size
        begin
          Rota.spawn("cat", in: :pipe, out: :pipe, err: :pipe)
        rescue IndexError
          puts "interrupted"
        end
        puts (Process.kill(0, pid) rescue $!.class), root.children.size, Dir.children("/proc/self/fd").size - before
      end
    RUBY
    assert_equal ["interrupted\nErrno::ESRCH\n0\n0\n", ""], [out, err]
  end

  # An Errno that somebody raises in the task is no failure to start.
  def test_system_hides_no_exception_of_others
    Rota.run do
      assert_raises(Errno::ENOENT) do
        Rota.cancel_after(0.01, with_exception: Errno::ENOENT) { Rota.system("sleep 10") }
      end
    end
  end

  def test_options_in_braces
    Rota.run do
      assert_equal "/\n", Rota.capture("pwd", { chdir: "/" }).first
      assert_equal "x /\n", Rota.capture({ "A" => "x" }, "echo $A $(pwd)", { chdir: "/" }).first
      assert Rota.system("true", { chdir: "/" })
      refute Rota.system({ "A" => "x" }, "false")
    end
  end

  def test_capture_as_open3
    script = "cat; echo err >&2; exit 2"
    Rota.run do
      out, err, status = Rota.capture(script, stdin_data: "in")
      expected = Open3.capture3(script, stdin_data: "in")
      assert_equal [expected[0], expected[1], 2, 2], [out, err, status.exitstatus, $?.exitstatus]
      assert_equal expected[0].encoding, out.encoding
    end
  end

  def test_capture_of_much_on_all_pipes
    Rota.run do
      input = "0123456789" * 100_000
      out, err, = Rota.capture("tee /dev/stderr", stdin_data: input)
      assert_equal [input.size, input.size], [out.size, err.size]
      assert_equal [input, input], [out, err]
    end
  end

  def test_capture_without_input_and_without_a_reader_of_it
    Rota.run do
      assert_equal "", Rota.capture("cat").first
      out, _, status = Rota.capture("head -c 3", stdin_data: "abc" * 1_000_000)
      assert_equal ["abc", true], [out, status.success?]
    end
  end

  def test_capture_binary_and_merged
    Rota.run do
      assert_equal [Encoding::BINARY] * 2, Rota.capture("true", binmode: true).first(2).map(&:encoding)
      out, err, = Rota.capture("echo a; echo b >&2", err: %i[child out])
      assert_equal ["a\nb\n", ""], [out, err]
    end
  end

  def test_many_at_once
    Rota.run do
      captures = Array.new(20) { |i| Rota.spin { Rota.capture("echo #{i}; exit #{i}") } }
      results = Rota::Task.await(*captures)
      assert_equal (0...20).to_a, results.map { |out, _err, status| Integer(out) if Integer(out) == status.exitstatus }
    end
  end

  def test_a_process_whose_task_is_ended_before_it_started_it
    Rota.run do
      spawner = Rota.spin { Rota.spawn("true") }
      Rota.spin { spawner.terminate_all_children }
      assert_raises(Rota::Error) { spawner.await }
    end
  end

  def test_a_command_that_is_not_there
    Rota.run do
      assert_raises(Errno::ENOENT) { Rota.spawn("/nonexistent", in: :pipe, out: :pipe) }
      assert_raises(Errno::ENOENT) { Rota.capture("/nonexistent") }
      assert_raises(ArgumentError) { Rota.spawn("true", nonsense: 1) }
      assert_raises(ArgumentError) { Rota.spawn("true", grace: -1) }
      assert_raises(ArgumentError) { Rota.spawn }
      assert_empty Rota.current.children
    end
  end

  def test_a_child_has_only_the_descriptors_that_it_was_given
    Rota.run do
      reader, writer = IO.pipe
      reader.autoclose = false
      kept = [IO.pipe, writer, Rota::Stream.for_fd(reader.fileno)]
      other = Rota.spawn("sleep 10", in: :pipe, out: :pipe)
      assert_equal Open3.capture3("ls /proc/self/fd").first.split, Rota.capture("ls /proc/self/fd").first.split
      other.terminate
      kept.flatten.each(&:close)
    end
  end

  def test_talking_to_a_process
    Rota.run do
      Rota.spawn("while read line; do echo \"<$line>\"; done", in: :pipe, out: :pipe) do |child|
        3.times do |i|
          child.stdin.write("#{i}\n")
          assert_equal "<#{i}>\n", child.stdout.gets
        end
        assert_nil child.stderr
        assert_match(/ChildProcess while pid \d+/, child.inspect)
      end
      assert_predicate $?, :success?
    end
  end

  def test_waiting_again_and_from_other_threads
    Rota.run do
      child = Rota.spawn("sleep 0.01; exit 6")
      assert_raises(Rota::TimeoutError) { child.wait(0.001) }
      thread = Thread.new { Rota.run { [child.wait.exitstatus, $?.exitstatus] } }
      waits = Array.new(3) { Rota.spin { child.wait.exitstatus } }
      assert_equal [6, 6, 6], Rota::Task.await(*waits)
      assert_equal [6, 6], thread.value
      Process.wait(Process.spawn("true"))
      assert_equal [6, 6], [child.wait.exitstatus, $?.exitstatus]
      refute_predicate child, :alive?
    end
  end

  def test_waited_for_by_somebody_else
    Rota.run do
      child = Rota.spawn("sleep 10")
      Process.kill(:KILL, child.pid)
      thread = Thread.new { Process.wait(child.pid) }
      Thread.pass while thread.alive? # no switchpoint: the loop is not asked meanwhile
      assert_raises(Errno::ECHILD) { child.wait }
      assert_nil child.terminate
    end
  end

  def test_signals
    Rota.run do
      child = Rota.spawn("trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done", out: :pipe)
      child.stdout.gets
      assert_same child, child.kill(:USR1)
      assert_equal 9, child.wait.exitstatus
      assert_raises(Errno::ESRCH) { child.kill(:TERM) }
      child.close
    end
  end

  def test_terminate_and_kill
    Rota.run do
      assert_equal 15, Rota.spawn("sleep 10").terminate.termsig
      deaf = Rota.spawn("trap '' TERM; echo ready; while :; do sleep 0.01; done", out: :pipe)
      deaf.stdout.gets
      assert_equal 9, deaf.terminate(grace: 0.02).termsig
      assert_equal 9, deaf.terminate.termsig
      assert_predicate deaf.stdout, :closed?
    end
  end

  def test_a_grace_that_is_none_ends_nothing
    Rota.run do
      child = Rota.spawn("sleep 10")
      assert_raises(ArgumentError) { child.terminate(grace: nil) }
      assert_raises(ArgumentError) { child.terminate(grace: -1) }
      assert_predicate child, :alive?
      assert_equal 15, child.terminate.termsig
    end
  end

  def test_a_name_that_is_no_text
    Dir.mktmpdir do |folder|
      File.symlink("/bin/true", program = "#{folder}/\xff")
      Rota.run { assert_predicate Rota.spawn(program).wait, :success? }
    end
  end

  def test_the_end_of_the_task_is_that_of_its_processes
    Rota.run do
      child = Rota.spin { Rota.spawn("sleep 10") }.await
      assert_equal 15, child.status.termsig
      task = Rota.spin { Rota.system("sleep 10") }
      Rota.sleep(0.01)
      task.stop
      task.await
      assert_equal [], children_of_this_process
    end
  end

  # Wherever the task is interrupted, no process is left.
  def test_cancelled_at_any_moment
    Rota.run do
      10.times do |i|
        task = Rota.spin { Rota.capture("cat; sleep 10", stdin_data: "x" * 100_000) }
        i.times { Rota.snooze }
        Rota.sleep(0.001 * i) if i > 5
        task.stop
        task.await
      end
      assert_equal [], children_of_this_process
    end
  end

  def test_a_raising_block_ends_the_process
    Rota.run do
      child = nil
      assert_raises(KeyError) { Rota.spawn("sleep 10") { |it| (child = it) && raise(KeyError) } }
      assert_equal 15, child.status.termsig
    end
  end

  def test_run_waits_for_processes
    child = nil
    Rota.run { child = Rota.spawn("sleep 0.01; exit 2") }
    assert_equal 2, child.status.exitstatus
  end

  # The system may take a second to bury an orphan.
  def test_a_group_ends_as_a_whole_and_has_its_grace_after_its_leader
    script = "sh -c 'trap \"sleep 0.03; echo done; exit\" TERM; echo $$; while :; do sleep 0.01; done' & wait"
    Rota.run do
      reader, writer = IO.pipe
      child = Rota.spawn(script, out: writer, err: File::NULL, pgroup: true)
      writer.close
      grandchild = Integer(reader.gets)
      child.terminate
      assert_equal "done\n", reader.read
      refute_path_exists "/proc/#{grandchild}/exe"
      reader.close
    end
  end

  def test_a_killed_thread_leaves_no_process
    pid = nil
    thread = Thread.new { Rota.run { Rota.spawn("sleep 10") { |child| (pid = child.pid) && child.wait } } }
    Thread.pass until pid
    thread.kill.join
    assert_raises(Errno::ESRCH) { Process.kill(0, pid) }
  end

  def test_signals_that_end_the_program_end_its_processes
    %w[INT TERM].each do |signal|
      out, _, status = run_ruby(<<~RUBY)
        require "rota"
        Rota.run do
          child = Rota.spawn("sleep 10")
          puts child.pid
          $stdout.flush
          Rota.after(0.01) { Process.kill(:#{signal}, Process.pid) }
          child.wait
        end
      RUBY
      assert_equal Signal.list[signal], status.termsig
      assert_raises(Errno::ESRCH) { Process.kill(0, Integer(out)) }
    end
  end

  def test_a_script_ends_its_processes
    out, err, = run_ruby('require "rota"; puts Rota.spawn("sleep 10").pid')
    assert_empty err
    assert_raises(Errno::ESRCH) { Process.kill(0, Integer(out)) }
  end

  def test_a_forked_child_that_leaves_the_block_of_a_process
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do
        pid = nil
        status = Rota.spawn("cat", in: :pipe) do |cat|
          Process.wait(pid) if (pid = fork)
          cat.close
          cat.wait
        end
        puts status.success?
      rescue SystemCallError => e # ended before
        puts e.class
      end
    RUBY
    assert_equal ["Errno::ECHILD\ntrue\n", ""], [out, err]
  end

  def test_a_forked_child_leaves_the_processes_of_its_parent_alone
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do
        child = Rota.spawn("sleep 10")
        pid = fork do
          begin
            child.wait
          rescue Errno::ECHILD
            puts "not mine"
          end
          child.kill(:TERM) rescue puts $!.class
        end
        Process.wait(pid)
        puts child.alive?, child.terminate.termsig
      end
    RUBY
    assert_equal ["not mine\nErrno::ESRCH\ntrue\n15\n", ""], [out, err]
  end

  private

  def outcome_of_system(receiver, command)
    *words, options = command.last.is_a?(Hash) && command.size > 1 ? command : [*command, {}]
    value = receiver.system(*words, **options, out: File::NULL, err: File::NULL)
    status = $?.signaled? ? $?.termsig : $?.exitstatus
    [value, status, error_of_system(receiver, words, options)]
  end

  def error_of_system(receiver, words, options)
    receiver.system(*words, **options, exception: true, out: File::NULL, err: File::NULL)
  rescue StandardError => e
    [e.class, e.message]
  end

  def children_of_this_process
    File.read("/proc/self/task/#{Process.pid}/children").split.map(&:to_i) - watchers
  end

  # The process that ends tests that hang is one, too.
  def watchers = @watchers ||= []

  def setup
    super
    @watchers = File.read("/proc/self/task/#{Process.pid}/children").split.map(&:to_i)
  end
end
