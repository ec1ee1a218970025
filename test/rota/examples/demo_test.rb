# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"
require_relative "../../support/http_client"
require_relative "../../support/engines"

# bin/demo without its set-up.
class DemoTest < RotaTest
  include ExampleProcess
  include HTTPClient

  MAIN = File.expand_path("../../../tool/demo/main.rb", __dir__)

  def test_the_table
    out, err, status = run_ruby(MAIN, "--connections", "30", "--seconds", "0.5")
    assert_predicate status, :success?, err
    assert_empty err
    assert_match(/^\[ +\]  0\.0 s  [\d,]+ requests/, out)
    assert_match(/^30 keep-alive connections for 0\.\d s/, out)
    assert_match(/^  requests per second +[\d,]+$/, out)
    assert_match(/^  latency p50 +\d+\.\d+ ms$/, out)
    assert_match(/^  latency p99 +\d+\.\d+ ms$/, out)
    assert_match(/^  errors +0$/, out)
    assert_match(/^  io_uring_enter calls +\d\.\d+$/, out)
    assert_match(/^  submission entries +\d\.\d+$/, out)
    assert_match(/^engine #{Engines::DEFAULT}$/, out)
  end

  def test_only_serving
    server = start_program(MAIN, "--serve", LOCAL)
    assert_hello exchange(open_socket(server), get)
  end

  def test_ctrl_c_ends_all_processes
    output, write_end = IO.pipe
    pid = Process.spawn(child_env({}), *ruby_command, MAIN, "--seconds", "60", out: write_end, pgroup: true)
    write_end.close
    address = output.gets[/listens on (\S+),/, 1]
    assert_match(/^\[/, output.gets)
    Process.kill(:INT, -pid)
    output.read # until the last process has closed it
    assert_equal 130, Process.wait2(pid).last.exitstatus
    assert_raises(Errno::ECONNREFUSED) { TCPSocket.new(*address.split(":")) }
  ensure
    output&.close
  end

  def test_loopback_only
    _out, err, status = run_ruby(MAIN, "--serve", "0.0.0.0:0")
    assert_equal 1, status.exitstatus
    assert_match(/loopback only/, err)
  end

  def test_a_server_that_cannot_start
    taken = TCPServer.new("127.0.0.1", 0)
    out, err, status = run_ruby(MAIN, "--port", taken.addr[1].to_s, "--seconds", "0.5")
    assert_equal 1, status.exitstatus
    assert_empty out
    assert_match(/^demo: the server did not start$/, err)
  ensure
    taken&.close
  end
end
