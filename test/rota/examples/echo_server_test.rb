# frozen_string_literal: true

require "tmpdir"
require_relative "../../test_helper"
require_relative "../../support/example_process"

class EchoServerTest < RotaTest
  include ExampleProcess

  def setup
    super
    @server = start_example("echo_server", LOCAL)
  end

  def test_what_is_sent_comes_back
    socket = open_socket(@server)
    socket.write("hello")
    assert_equal "hello", socket.readpartial(100)
    socket.write("again")
    assert_equal "again", socket.readpartial(100)
  end

  def test_more_than_any_buffer
    bytes = Random.new(1).bytes(3_000_000)
    socket = open_socket(@server)
    writer = Thread.new do
      socket.write(bytes)
      socket.close_write
    end
    assert_equal bytes, socket.read
    writer.join
  end

  def test_the_end_of_the_client_is_answered_with_the_end
    socket = open_socket(@server)
    socket.write("last words")
    socket.close_write
    assert_equal "last words", socket.read
  end

  def test_clients_do_not_mix
    sockets = Array.new(50) { open_socket(@server) }
    sockets.each_with_index { |socket, index| socket.write("client #{index}") }
    heard = sockets.map { |socket| socket.readpartial(100) }
    assert_equal Array.new(50) { |index| "client #{index}" }, heard
  end

  def test_a_reset_costs_only_its_own_connection
    survivor = open_socket(@server)
    20.times do
      victim = open_socket(@server)
      victim.write("x" * 10_000)
      reset(victim)
    end
    survivor.write("still here")
    assert_equal "still here", survivor.readpartial(100)
  end

  def test_a_unix_address
    Dir.mktmpdir do |folder|
      path = File.join(folder, "echo")
      start_example("echo_server", "unix:#{path}")
      socket = keep([UNIXSocket.new(path)]).first
      socket.write("hello")
      assert_equal "hello", socket.readpartial(100)
    end
  end
end
