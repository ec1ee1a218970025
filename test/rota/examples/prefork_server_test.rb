# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"

class PreforkServerTest < RotaTest
  include ExampleProcess

  def setup
    super
    @server = start_example("prefork_server", LOCAL, "2")
  end

  def test_clients_are_served_by_workers
    socket, worker = greeted
    refute_equal @server.pid, worker
    socket.write("hello")
    assert_equal "hello", socket.readpartial(100)
  end

  def test_a_worker_that_dies_is_replaced
    5.times do
      socket, worker = greeted
      Process.kill(:KILL, worker)
      assert_empty ended(socket)
      refute_equal worker, greeted.last
    end
    assert_predicate @server, :alive?
  end

  def test_an_ipv6_address
    skip "no IPv6 here" unless Socket.ip_address_list.any?(&:ipv6_loopback?)
    server = start_example("prefork_server", "[::1]:0", "1")
    assert_equal "[::1]", server.host
    TCPSocket.open("::1", server.port) { |socket| assert_match(/\Aworker/, socket.gets) }
  end

  def test_term_lets_connections_finish
    socket, = greeted
    Process.kill(:TERM, @server.pid)
    wait_until { refused? }
    socket.write("still here")
    assert_equal "still here", socket.readpartial(100)
    socket.close
    wait_until { File.read("/proc/#{@server.pid}/stat").include?(") Z ") } # and is waited for by teardown
  end

  private

  # => [socket, pid of the worker]
  def greeted
    socket = open_socket(@server)
    [socket, Integer(socket.gets[/worker (\d+)/, 1])]
  end

  def ended(socket)
    socket.read
  rescue Errno::ECONNRESET
    ""
  end

  # What no worker has accepted when the last of them closes the socket is reset.
  def refused?
    TCPSocket.new(@server.host, @server.port).close
    false
  rescue Errno::ECONNREFUSED, Errno::ECONNRESET
    true
  end

  def wait_until
    sleep 0.002 until yield
  end
end
