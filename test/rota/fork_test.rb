# frozen_string_literal: true

require "test_helper"

# A forked child begins anew, and does the parent no harm.
class ForkTest < RotaTest
  def test_a_child_of_a_run_can_run
    assert_program "7\nparent fine\n", <<~RUBY
      Rota.run do
        parked
        in_child { Rota.run { puts Rota.spin { Rota.sleep(0.001); 7 }.await } }
        puts "parent fine"
        done
      end
    RUBY
  end

  def test_a_child_inside_a_task_can_use_rota_without_run
    assert_program "7\nparent fine\n", <<~RUBY
      Rota.run do
        parked
        Rota.spin { in_child { puts Rota.spin { Rota.sleep(0.001); 7 }.await } }.await
        puts "parent fine"
        done
      end
    RUBY
  end

  def test_a_child_of_a_process_with_armed_reads
    assert_program "child got c\nparent got p\n", <<~RUBY
      Rota.run do
        reader, writer = IO.pipe
        read = Rota.spin { Rota.loop.read(reader, 1) }
        Rota.snooze
        Rota.sleep(0.001)
        in_child do
          Rota.run do
            inner_reader, inner_writer = IO.pipe
            inner = Rota.spin { Rota.loop.read(inner_reader, 1) }
            inner_writer.syswrite("c")
            puts "child got \#{inner.await}"
          end
        end
        writer.syswrite("p")
        puts "parent got \#{read.await}"
      end
    RUBY
  end

  def test_timeout_in_a_child_without_a_run
    assert_program "#{"[true, true, nil]\n" * 3}[true, nil]\n", <<~RUBY
      require "timeout"
      over = ->(wait) { Timeout.timeout(0.02) { wait.call } && false rescue $!.is_a?(Timeout::Error) }
      slow = -> { sleep 2 }
      busy = -> { stop = Process.clock_gettime(1) + 2; nil while Process.clock_gettime(1) < stop; true }
      Rota.run do
        [->(&child) { fork(&child) }, Process.method(:fork), Kernel.method(:fork)].each do |verb|
          Rota.spin { Process.wait(verb.call { p [over[slow], over[busy], Fiber.scheduler] }) }.await
        end
        pid = fork
        p([over[slow], Fiber.scheduler]).tap { exit!(0) } unless pid
        Process.wait(pid)
        done
      end
    RUBY
  end

  def test_the_parents_tasks_do_not_run_in_the_child
    assert_program "parent's ensure\n", <<~RUBY
      Rota.run do
        task = Rota.spin { begin; Rota.sleep; ensure; puts "parent's ensure"; end }
        Rota.snooze
        in_child { Rota.run { 3.times { Rota.snooze } } }
        task.stop
      end
    RUBY
  end

  # fork without a block returns twice; the child must not return into the parent's run.
  def test_a_child_ends_with_the_block_of_its_task
    assert_program "child\nparent\n", <<~RUBY
      Rota.run do
        task = Rota.spin { begin; Rota.sleep; ensure; print "" + ($child ? "wrong\n" : ""); end }
        Rota.snooze
        if (pid = fork)
          Process.wait(pid)
          puts "parent"
        else
          $child = true
          puts "child"
        end
        task.stop if pid
      end
      puts "after" if $child
    RUBY
  end

  def test_a_child_ends_with_the_block_of_its_task_in_a_scope
    assert_program "child\nparent\n", <<~RUBY
      Rota.run do
        Rota.spin_scope do
          task = Rota.spin { Rota.sleep }
          Rota.snooze
          if (pid = fork)
            Process.wait(pid)
            puts "parent"
            task.stop
          else
            puts "child"
          end
        end
              end
    RUBY
  end

  { "exit 3" => 3, "nil" => 0, "raise 'loud'" => 1, "abort" => 1 }.each do |code, status|
    define_method(:"test_status_of_a_child_whose_task_ends_with_#{code}") do
      assert_program "#{status}\n", <<~RUBY, errors: code.include?("raise") ? /loud/ : nil
        Rota.run do
          parked
          pid = Rota.spin { fork || (#{code}) }.await
          Process.wait(pid)
          puts $?.exitstatus
          done
        end
      RUBY
    end

    define_method(:"test_status_of_a_child_whose_block_ends_with_#{code}") do
      assert_program "#{status}\n", <<~RUBY, errors: code.include?("raise") ? /loud/ : nil
        Rota.run do
          parked
          Process.wait(fork { #{code} })
          puts $?.exitstatus
          done
        end
      RUBY
    end
  end

  def test_at_exit_blocks_of_the_child_run
    assert_program "child's\n", <<~RUBY
      Rota.run do
        parked
        in_child { at_exit { puts "child's" } }
        done
      end
    RUBY
  end

  def test_a_child_of_a_script
    assert_program "7\nparent fine\n", <<~RUBY
      task = Rota.spin { Rota.sleep }
      Rota.snooze
      in_child { puts Rota.spin { 7 }.await }
      puts "parent fine"
    RUBY
  end

  def test_a_child_of_another_thread
    assert_program "7\nparent fine\n", <<~RUBY
      Rota.run do
        parked
        Thread.new { in_child { puts Rota.run { Rota.spin { 7 }.await } } }.join
        puts "parent fine"
        done
      end
    RUBY
  end

  def test_a_child_of_a_child
    assert_program "9\n", <<~RUBY
      Rota.run do
        parked
        in_child { Rota.run { parked; in_child { Rota.run { puts Rota.spin { 9 }.await } }; done } }
        done
      end
    RUBY
  end

  # Collecting what the parent had must touch neither its ring nor stacks that are gone.
  def test_the_child_collects_what_the_parent_left
    assert_program "fine\n", <<~RUBY
      Rota.run do
        reader, = IO.pipe
        20.times { Rota.spin { Rota.move_on_after(60) { Rota.loop.read(reader, 10) } } }
        20.times { Rota.spin { Rota.sleep }.then { |task| Rota.snooze; task.raise("unseen") } rescue nil }
        failing = Rota.spin { Rota.shield { Rota.sleep } }
        Rota.snooze
        5.times { failing.raise("held back") }
        in_child { 5.times { GC.start }; GC.compact if GC.respond_to?(:compact); Rota.run { Rota.sleep(0.001) }; puts "fine" }
        exit!(0)
      end
    RUBY
  end

  { "exit 3" => 3, "nil" => 0, "raise 'loud'" => 1, "Rota.spin { exit 4 }.await" => 4,
    "Rota.spin { raise 'loud' }; Rota.sleep" => 1 }.each do |code, status|
    define_method(:"test_rota_fork_keeps_the_status_of_#{code}") do
      assert_program "at exit\n#{status}\n", <<~RUBY, errors: code.include?("raise") ? /loud/ : nil
        Rota.run do
          parked
          pid = Rota.fork { at_exit { puts "at exit" }; #{code} }
          puts Rota.loop.waitpid(pid).exitstatus
          done
        end
      RUBY
    end
  end

  def test_rota_fork_gives_a_run
    assert_program "true false 1\n", <<~RUBY
      Rota.run do |root|
        parked
        pid = Rota.fork(without: :waitid) do |own|
          core = Thread::Queue.new
          Rota.spin { sleep 0.001; core << 1 }
          puts "\#{own != root} \#{Rota.loop.features[:waitid] == true} \#{core.pop}"
        end
        Rota.loop.waitpid(pid)
        done
      end
    RUBY
  end

  # The process that goes on is a child, with the rest of the block.
  def test_a_daemon
    assert_program "daemon 7\nend of its ensure\n", <<~RUBY
      reader, writer = IO.pipe
      starter = fork do
        Rota.run do
          parked
          Process.daemon(true, true)
          writer.puts "daemon \#{Rota.spin { Rota.sleep(0.001) && 7 }.await}"
          done
        ensure
          writer.puts "end of its ensure"
        end
        exit!(0)
      end
      Process.wait(starter)
      writer.close
      puts reader.read
    RUBY
  end

  # The kernel tells one of them of a connection, which may be the one that was killed.
  def test_a_connection_behind_the_end_of_one_of_several_acceptors
    assert_program "answered\n" * 4, <<~RUBY
      server = TCPServer.new("127.0.0.1", 0)
      workers = Array.new(5) do
        fork { Rota.run { Rota.loop.accept_each(server) { |stream| stream.write(Process.pid, "\n") && stream.close } } }
      end
      ask = lambda do
        socket = TCPSocket.new("127.0.0.1", server.local_address.ip_port)
        socket.wait_readable(20) or abort("nobody took the connection")
        line = begin socket.gets; rescue Errno::ECONNRESET; nil end
        line ? Integer(line) : ask.call # the one that was killed had taken it
      end
      begin
        4.times do
          Process.kill(:KILL, ask.call)
          puts "answered" if ask.call
        end
      ensure
        workers.each { |pid| Process.kill(:KILL, pid) }
      end
    RUBY
  end

  # Whatever the children do, each byte of the parent arrives once, and its tasks and timers go on.
  def test_a_storm_of_forks_beside_busy_streams
    assert_program "true\ntrue\n", <<~RUBY
      bytes = Random.new(1).bytes(300_000)
      Rota.run do
        here, there = UNIXSocket.pair.map { |socket| socket.autoclose = false; Rota::Stream.for_fd(socket.fileno) }
        writer = Rota.spin do
          0.step(bytes.size - 1, 997) { |start| here.write(bytes[start, 997]) }
          here.close_write
        end
        reader = Rota.spin { got = "".b; there.read_loop { |piece| got << piece; Rota.snooze }; got }
        ticks = 0
        ticker = Rota.spin_loop(interval: 0.001) { ticks += 1 }
        pids = Array.new(12) do |i|
          Rota.sleep(0.001)
          fork do
            case i % 4
            when 0 then GC.start
            when 1 then Rota.run { Rota.spin { Rota.sleep(0.002) }.await }
            when 2 then Rota.loop.read(IO.pipe.tap { |_, w| w.write("x") }.first, 1)
            when 3 then exit!(0)
            end
          end
        end
        puts pids.all? { |pid| Rota.loop.waitpid(pid).success? }
        puts reader.await == bytes && ticks > 0
        ticker.stop
      end
    RUBY
  end

  def test_a_loop_of_the_parent_is_refused
    assert_program "Rota::Error\n", <<~RUBY
      Rota.run do
        found = Rota.loop
        in_child { begin; found.stats; rescue => e; puts e.class; end }
      end
    RUBY
  end

  # A child that comes back into a verb that goes on is told.
  { recv_each: "loop.recv_each(one)", accept_each: "loop.accept_each(server)",
    batch: "loop.batch", read_each: "loop.read_each(one)" }.each do |name, verb|
    define_method(:"test_a_child_whose_parent_goes_on_in_#{name}") do
      assert_program "Rota::Error\nparent fine\n", <<~RUBY
        server = TCPServer.new("127.0.0.1", 0)
        Array.new(2) { TCPSocket.new("127.0.0.1", server.local_address.ip_port) }
        one, other = UNIXSocket.pair
        other.write("x")
        Rota.run do
          loop = Rota.loop
          #{verb} do
            pid = fork
            next unless pid

            Process.wait(pid)
            break
          end
          puts "parent fine"
        rescue => e
          puts e.class
        end
      RUBY
    end
  end

  # The wait inside which that was called is the parent's, and so are the tasks that could go on.
  def test_a_child_that_was_forked_inside_a_wait_ends_there
    assert_program "child\n3\nchild\n0\nparent's root\nparent's task\nchild\n0\n", <<~RUBY
      Rota.run do
        task = Rota.spin { Rota.sleep(0.1); puts "parent's task" }
        Rota.snooze
        forking = lambda do |status|
          if (pid = fork)
            Process.wait(pid)
            puts $?.exitstatus
          else
            puts "child"
            exit(status) unless status.zero?
          end
        end
        [3, 0].each { |status| task.interject { forking.call(status) } and Rota.sleep(0.02) }
        puts "parent's root"
        task.await
        trap(:USR1) { forking.call(0) }
        killer = Thread.new { sleep(0.01) and Process.kill(:USR1, Process.pid) }
        Rota.sleep(0.05)
        killer.join
      end
    RUBY
  end

  def test_a_task_of_the_parent_cannot_be_waited_for_in_the_child
    assert_program "2\n", <<~RUBY
      Rota.run do
        task = Rota.spin { Rota.sleep }
        Rota.snooze
        in_child do
          trap(:HUP) { nil } # with it nothing is a deadlock
          failed = [-> { task.await }, -> { Rota::Task.await(task) }].count do |wait|
            Rota.run { wait.call }
          rescue Rota::Error
            true
          end
          puts failed
        end
        task.stop
      end
    RUBY
  end

  # Their Rota::Timeouts and the parent's task are freed in any order; what is freed is overwritten.
  def test_a_child_frees_deadlines_of_enumerators_that_the_parent_left_in_the_middle
    assert_program "parent fine\n", <<~RUBY, env: { "MALLOC_PERTURB_" => "90" }
      Rota.run do
        entered = Rota.spin do
          $entered = Array.new(40) { Enumerator.new { |y| Rota.move_on_after(60) { y << 1 } }.tap(&:next) }
          Rota.suspend
        end
        Rota.snooze
        in_child { $entered = GC.start }
        puts "parent fine"
        entered.terminate
      end
    RUBY
  end

  def test_a_task_of_the_parent_can_be_asked_in_the_child
    assert_program "[true, :waiting]\n", <<~RUBY
      Rota.run do
        task = Rota.spin { Rota.sleep }
        Rota.snooze
        in_child { task.schedule; task.raise("x"); p [task.alive?, task.state == :dead ? :dead : :waiting] }
        task.stop
      end
    RUBY
  end

  # The ring's memory and descriptor would keep the parent's connections open.
  def test_a_child_that_lives_does_not_delay_the_end_of_the_parents_connections
    assert_program "end of file\n", <<~RUBY
      listener = TCPServer.new("127.0.0.1", 0)
      go, gone = IO.pipe
      pid = fork do
        gone.close
        Rota.run do
          stream = Rota.connect("127.0.0.1:\#{listener.addr[1]}")
          stream.write("x")
          receive = Rota.spin { stream.read }
          Rota.sleep(0.01)
          fork { go.read } # outlives its parent
          exit!(0)
        end
      end
      go.close
      client = listener.accept
      client.read(1)
      Process.wait(pid)
      puts client.wait_readable(3) && client.read.empty? ? "end of file" : "nothing came"
      gone.close
    RUBY
  end

  def test_a_stream_of_the_parent_is_closed_in_the_child
    assert_program "true\nOK\n", <<~RUBY
      Rota.run do
        stream, other = connection
        in_child { puts stream.closed? }
        other.write("OK\\n")
        print stream.gets
      end
    RUBY
  end

  def test_a_connection_is_handed_over_with_to_io
    assert_program "from the child\n", <<~RUBY
      Rota.run do
        stream, other = connection
        io = stream.to_io
        in_child { GC.start; Rota.run { io.write("from the child\\n") } }
        print other.gets
      end
    RUBY
  end

  private

  PRELUDE = <<~RUBY
    require "rota"
    require "socket"
    require "io/wait"
    $stdout.sync = true
    $parent = Process.pid
    $child = $done = nil
    def done = $done = Process.pid
    def connection
      listener = TCPServer.new("127.0.0.1", 0)
      [Rota.connect("127.0.0.1:\#{listener.addr[1]}"), listener.accept]
    end
    def in_child(&block)
      Process.wait(fork(&block))
      puts "status \#{$?.inspect}" unless $?.success?
    end
    # Some tasks that wait; they end with the parent's run, which they do not hold up.
    def parked
      waiting = Array.new(10) { |i| Rota.spin { i.even? ? Rota.sleep(60) : Rota.suspend } }
      Rota.snooze
      pid = Process.pid
      Rota.spin do
        Rota.sleep(0.001) until Rota.current.parent.children.size <= 11 && $done == pid
        waiting.each(&:terminate)
      end
    end
  RUBY

  def assert_program(expected, program, errors: nil, env: {})
    out, err, status = run_ruby(PRELUDE + program, env: env)
    assert_equal expected, out, err
    errors ? assert_match(errors, err) : assert_empty(err)
    assert_predicate status, :success?
  end
end
