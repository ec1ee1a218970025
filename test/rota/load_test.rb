# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/example_process"
require_relative "../support/http_client"

# Many connections at once, and the load generators that people use. Nothing is said about speed.
class LoadTest < RotaTest
  include ExampleProcess
  include HTTPClient

  time_limit 120

  MANY = 2000
  SPARE_DESCRIPTORS = 100

  def setup
    super
    allow_descriptors(MANY + SPARE_DESCRIPTORS)
    @server = start_example("http_server", LOCAL)
  end

  def test_two_thousand_keep_alive_connections
    sockets = Array.new(MANY) { open_socket(@server) }
    3.times do |round|
      sockets.each_with_index { |socket, number| socket.write(post("#{round}: #{number}")) }
      responses = sockets.map { |socket| read_response(socket) }
      responses.each_with_index do |response, number|
        assert_equal [200, "#{round}: #{number}"], [response.status, response.body]
      end
    end
  end

  # A Ctrl-C that comes while requests are served is for the server, not for whoever is served.
  def test_ctrl_c_under_load
    clients = Array.new(20) { open_socket(@server) }
    threads = clients.map { |socket| Thread.new { ask_for_ever(socket) } }
    sleep 0.2
    assert_ends_well(@examples.pop)
    threads.each(&:join)
  end

  def test_wrk
    skip "wrk is not installed" unless installed?("wrk")
    report = run_tool("wrk", "--connections", "100", "--threads", "1", "--duration", "2s", "http://#{@server.address}/")
    refute_match(/Socket errors|Non-2xx/, report)
    assert_operator report[/(\d+) requests in/, 1].to_i, :>, 0, report
  end

  def test_ab_with_keep_alive
    assert_ab_succeeds("-k")
  end

  def test_ab_with_a_connection_for_each_request
    assert_ab_succeeds
  end

  private

  def assert_ab_succeeds(*options)
    skip "ab is not installed" unless installed?("ab")
    report = run_tool("ab", *options, "-q", "-c", "50", "-n", "5000", "http://#{@server.address}/")
    assert_match(/^Complete requests: +5000$/, report)
    assert_match(/^Failed requests: +0$/, report)
    refute_match(/Non-2xx/, report)
    assert_match(/^Keep-Alive requests: +5000$/, report) if options.include?("-k")
  end

  def run_tool(*command)
    output = IO.popen([*command, { err: %i[child out] }], &:read)
    assert_predicate $?, :success?, output
    output
  end

  def ask_for_ever(socket)
    loop { assert_hello exchange(socket, get) }
  rescue SystemCallError, IOError, Minitest::Assertion
    nil # the end, which may come in the middle of a response
  end

  # The server inherits the limit.
  def allow_descriptors(count)
    soft, hard = Process.getrlimit(:NOFILE)
    skip "the limit on open files is #{hard}" if hard < count
    Process.setrlimit(:NOFILE, count, hard) if soft < count
  end
end
