# frozen_string_literal: true

require "test_helper"
require "open3"
require_relative "../support/cooperation"

class SchedulerProcessTest < RotaTest
  include Cooperation

  BIG = 1_500_000
  FLOOD = "head -c #{BIG} /dev/zero; head -c #{BIG} /dev/zero >&2; exit 5".freeze

  def status = [$?.exitstatus, $?.termsig]

  as_ruby(:system) { [system("sleep 0.05; exit 3"), status] }
  as_ruby(:system_true) { [system("sleep 0.05"), status] }
  as_ruby(:system_of_nothing, waits: false) { [system("/nonexistent"), $?.exitstatus] }
  as_ruby(:backticks) { [`sleep 0.05; echo out; exit 6`, status] }
  as_ruby(:backticks_with_much) { [`(#{FLOOD}) 2>&1`.size, status] }
  as_ruby(:popen) { [IO.popen("sleep 0.05; echo x; exit 7", &:read), status] }
  as_ruby(:popen_both_ways) {
    IO.popen("cat", "r+") { |cat|
      cat.puts("hi") or cat.close_write or sleep(0.01) and cat.read
    }
  }
  as_ruby(:spawn_and_wait) { Process.wait(spawn("sleep 0.05; exit 8")) and status }
  as_ruby(:wait2) { Process.wait2(spawn("sleep 0.05; exit 9"))[1].exitstatus }
  as_ruby(:a_signal) {
    spawn("sleep 5").then { |pid|
      sleep(0.01) and Process.kill(:TERM, pid) and Process.wait(pid) and status
    }
  }
  as_ruby(:no_child, waits: false) { class_of_error { Process.wait(2**22 - 1) } }
  as_ruby(:nohang, waits: false) do
    reader, writer = IO.pipe
    pid = spawn("read line; exit 0", in: reader) # by a shell, whose own command it is
    early = Process.wait(pid, Process::WNOHANG)
    [reader, writer].each(&:close)
    [early, Process.wait(pid) == pid]
  end
  as_ruby(:a_group) { spawn("sleep 0.05; exit 2", pgroup: true).then { |pid| Process.wait(-pid) == pid && status } }
  as_ruby(:a_stop) do
    pid = spawn("sleep 0.05; kill -STOP $$; exit 3")
    stopped = Process.wait2(pid, Process::WUNTRACED)[1].stopsig
    Process.kill(:CONT, pid)
    [stopped == Signal.list["STOP"], Process.waitpid2(pid)[1].exitstatus]
  end
  as_ruby(:detach) { Process.detach(spawn("sleep 0.05; exit 4")).value.exitstatus }
  as_ruby(:a_status) { Process::Status.wait(spawn("sleep 0.05; exit 3")).exitstatus }

  as_ruby(:capture3) do
    out, err, result = Open3.capture3(FLOOD)
    [out.size, err.size, result.exitstatus]
  end
  as_ruby(:capture3_with_input) { Open3.capture3("sleep 0.05; cat", stdin_data: "x" * BIG)[0].size }
  as_ruby(:popen3) do
    Open3.popen3("sleep 0.05; cat; echo err >&2; exit 3") do |input, output, errors, thread|
      input.puts("in")
      input.close
      [output.read, errors.read, thread.value.exitstatus]
    end
  end
  as_ruby(:fork_with_a_block) { fork { sleep(0.02) and exit!(7) }.then { |pid| Process.wait(pid) and status } }

  # In a process of its own: this one may have children that are not the test's.
  def test_waits_for_any_child
    code = <<~RUBY
      pid = spawn("sleep 0.05; exit 3")
      p Process.wait(-1) == pid, $?.exitstatus
      pid = spawn("sleep 0.05; exit 4")
      p Process.wait(0) == pid, $?.exitstatus
      3.times { |i| spawn("sleep 0.0\#{i}; exit \#{i}") }
      p Process.waitall.map { |_, status| status.exitstatus }.sort, Process.waitall
      begin
        Process.wait
      rescue SystemCallError => e
        p e.class, e.message
      end
    RUBY
    expected, = run_ruby(code)
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      ticks = 0
      Rota.run do
        ticker = Rota.spin { ticks += 1 while sleep(0.002) }
        #{code}
        ticker.stop
      end
      p ticks > 5
    RUBY
    assert_equal ["#{expected}true\n", ""], [out, err]
    assert_match(/\[\]\nErrno::ECHILD/, expected)
  end

  def test_twenty_children_at_once
    statuses = Rota.run { Array.new(20) { |i| Rota.spin { system("exit #{i}") or $?.exitstatus } }.map(&:await) }
    assert_equal [true, *1...20], statuses
  end

  def test_an_interrupted_wait_leaves_the_child
    reader, writer = IO.pipe
    Rota.run do
      pid = spawn("read line; exit 3", in: reader)
      task = Rota.spin { Process.wait(pid) }
      sleep(0.002)
      task.terminate
      task.await
      writer.close
      assert_equal pid, Process.wait(pid)
      assert_equal 3, $?.exitstatus
    end
  ensure
    [reader, writer].each(&:close)
  end
end
