# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"

class ChatServerTest < RotaTest
  include ExampleProcess

  def setup
    super
    @server = start_example("chat_server", LOCAL)
  end

  def join(name)
    socket = open_socket(@server)
    assert_equal "* your nickname?\n", socket.gets
    socket.puts name
    assert_match(/\A\* welcome #{name}, here are: .*\b#{name}\b/, socket.gets)
    socket
  end

  def test_three_people
    ann = join("ann")
    bob = join("bob")
    assert_equal "* bob joined\n", ann.gets
    cat = join("cat")
    [ann, bob].each { |socket| assert_equal "* cat joined\n", socket.gets }

    ann.puts "hello all"
    [bob, cat].each { |socket| assert_equal "ann: hello all\n", socket.gets }
    bob.puts "/who"
    assert_equal "* here are: ann bob cat\n", bob.gets
    cat.puts "/quit"
    assert_nil cat.gets
    [ann, bob].each { |socket| assert_equal "* cat left\n", socket.gets }
  end

  def test_a_name_that_is_taken_or_odd
    join("ann")
    socket = open_socket(@server)
    assert_equal "* your nickname?\n", socket.gets
    socket.puts "ann"
    assert_equal "* ann is taken\n", socket.gets
    socket.puts "no spaces please"
    assert_match(/\A\* letters/, socket.gets)
    socket.puts "ben"
    assert_equal "* welcome ben, here are: ann ben\n", socket.gets
  end

  def test_somebody_who_does_not_say_a_name
    ann = join("ann")
    open_socket(@server).close
    reset(open_socket(@server))
    bob = join("bob")
    bob.write("\xff\xfe\n") # not text
    assert_equal "* bob joined\n", ann.gets
    assert_match(/\Abob: /, ann.gets)
  end

  def test_a_reset_is_a_goodbye
    ann = join("ann")
    bob = join("bob")
    assert_equal "* bob joined\n", ann.gets
    reset(bob)
    assert_equal "* bob left\n", ann.gets
  end

  def test_many_lines_in_one_packet_arrive_in_order
    ann = join("ann")
    bob = join("bob")
    lines = Array.new(2000) { |number| "line #{number}\n" }
    bob.write(lines.join)
    assert_equal "* bob joined\n", ann.gets
    lines.each { |line| assert_equal "bob: #{line}", ann.gets }
  end

  # The socket and the outbox of the sleeper are full long before the talker has finished. The one
  # who listens is never more lines behind than an outbox holds.
  def test_somebody_who_does_not_read_stops_nobody
    listener = join("listener")
    sleeper = join("sleeper")
    talker = join("talker")
    2.times { assert_match(/joined$/, listener.gets) }

    20_000.times.each_slice(100) do |numbers|
      lines = numbers.map { |number| "#{number} #{"x" * 900}\n" }
      talker.write(lines.join)
      lines.each { |line| assert_equal "talker: #{line}", listener.gets }
    end

    assert_equal "* talker joined\n", sleeper.gets
    assert_match(/\Atalker: 0 /, sleeper.gets)
    missed = sleeper.each_line.find { |line| line.start_with?("*") }
    assert_match(/\A\* you read too slowly and missed [1-9]\d* lines$/, missed)
  end
end
