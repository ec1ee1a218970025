# frozen_string_literal: true

# What holds for a program that passes connections on, whichever way it moves the bytes. Who includes
# this has set @backend, a TCPServer, and @proxy, the running program.
module Forwarding
  # => [the client's socket, the backend's]
  def connect_through
    client = open_socket(@proxy)
    [client, keep([@backend.accept]).first]
  end

  def test_both_directions
    client, server = connect_through
    client.write("question")
    assert_equal "question", server.readpartial(100)
    server.write("answer")
    assert_equal "answer", client.readpartial(100)
  end

  def test_the_client_ends_first_and_still_gets_the_answer
    client, server = connect_through
    client.write("question")
    client.close_write
    assert_equal "question", server.read
    server.write("late answer")
    server.close
    assert_equal "late answer", client.read
  end

  def test_the_backend_ends_first_and_still_gets_the_question
    client, server = connect_through
    server.write("banner")
    server.close_write
    assert_equal "banner", client.read
    client.write("late question")
    client.close
    assert_equal "late question", server.read
  end

  def test_both_directions_at_once_with_more_than_any_buffer
    client, server = connect_through
    up, down = Array.new(2) { |seed| Random.new(seed).bytes(2_000_000) }
    writers = { client => up, server => down }.map do |socket, bytes|
      Thread.new do
        socket.write(bytes)
        socket.close_write
      end
    end
    reader = Thread.new { server.read }
    assert_equal down, client.read
    assert_equal up, reader.value
    writers.each(&:join)
  end

  def test_a_reset_of_the_client_reaches_the_backend
    survivor, survivor_server = connect_through
    client, server = connect_through
    client.write("half a")
    assert_equal "half a", server.readpartial(100)
    reset(client)
    assert_ended server
    survivor.write("still here")
    assert_equal "still here", survivor_server.readpartial(100)
    @complaints_expected = true
  end

  def test_a_backend_that_refuses
    _survivor, = connect_through
    @backend.close
    client = open_socket(@proxy)
    assert_ended client
    assert_ended open_socket(@proxy)
    assert_predicate @proxy, :alive?
    @complaints_expected = true
  end

  def assert_ended(socket)
    assert_equal "", socket.read
  rescue Errno::ECONNRESET
    pass
  end
end
