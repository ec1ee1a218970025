# frozen_string_literal: true

# also under: valgrind
require "test_helper"
require "socket"
require_relative "../support/engines"

# Reads that are held back until nobody else can run, tried once, and only then given to the engine.
class HeldTest < RotaTest
  def test_a_ping_pong_hardly_enters_the_kernel_for_the_engine
    with_pipes do |there, back|
      echo(there, back)
      before = Rota.loop.stats[:enters]
      500.times { ping(there, back) }
      assert_operator Rota.loop.stats[:enters] - before, :<, 250 # one each without
    end
  end

  def test_bytes_that_nobody_sends_yet_are_waited_for_in_the_kernel
    with_pipes do |there, _|
      reading = Rota.spin { Rota.loop.read(there[0], 10) }
      Rota.sleep(0.002) until Rota.loop.stats[:ops_queued].zero? && Rota.loop.stats[:ops_in_flight] == 1
      before = Rota.loop.stats[:turns]
      Rota.sleep(0.02)
      assert_operator Rota.loop.stats[:turns] - before, :<, 20
      there[1].write("late")
      assert_equal "late", reading.await
    end
  end

  # In no order: the kernel has none either.
  def test_many_readers_of_one_pipe_are_all_served
    with_pipes do |there, _|
      readers = Array.new(12) { Rota.spin { Rota.loop.read(there[0], 1) } }
      Rota.snooze
      20.times { Rota.snooze } # some are held back, some are not
      ("a".."l").each { |letter| Rota.loop.write(there[1], letter) && Rota.snooze }
      assert_equal [*"a".."l"], readers.map(&:await).sort
    end
  end

  def test_a_timer_and_a_read_in_flight_beside_a_ping_pong_without_end
    with_pipes do |there, back|
      other = socket_pair
      read = waiting { Rota.loop.recv(other[0], 10) }
      Rota.sleep(0.001) # it is the engine's now
      echo(there, back)
      busy = Rota.spin { loop { ping(there, back) } }
      Rota.sleep(0.002)
      other[1].write("through")
      assert_equal "through", read.await
      busy.terminate
    end
  end

  def test_an_operation_that_was_never_handed_over_beside_a_ping_pong_without_end
    with_pipes do |there, back|
      echo(there, back)
      busy = Rota.spin { loop { ping(there, back) } }
      Rota.snooze
      other = socket_pair
      other[1].write("there already")
      assert_equal IO::READABLE, Rota.loop.poll(other[0], IO::READABLE) & IO::READABLE
      busy.terminate
    end
  end

  def test_who_is_ended_while_its_read_is_held_back
    with_pipes do |there, back|
      echo(there, back)
      buffer = +""
      ended = Rota.spin { Rota.loop.read(back[0], 10, buffer) }
      Rota.snooze
      ended.terminate.await
      buffer << "not locked"
      assert_equal "ping", ping(there, back)
    end
  end

  def test_a_deadline_of_a_read_that_is_held_back
    with_pipes do |there, _|
      assert_equal :late, Rota.move_on_after(0, with_value: :late) { Rota.loop.read(there[0], 1) }
      assert_equal :late, Rota.move_on_after(0.001, with_value: :late) { Rota.loop.read(there[0], 1) }
    end
  end

  def test_closing_what_a_read_is_held_back_for
    with_pipes do |there, _|
      reading = Rota.spin { caught(IOError) { Rota.loop.read(there[0], 1) } }
      Rota.snooze
      Rota.loop.close(there[0])
      assert_kind_of IOError, reading.await
    end
  end

  # Before Ruby 4.0 that tells nobody, and the number may be another file's when the read is tried.
  def test_a_plain_close_of_what_a_read_is_held_back_for
    %i[read recv readpartial].each do |verb|
      closes_plainly(1, verb) { |(task)| assert_instance_of IOError, task.await }
      closes_plainly(12, verb) do |tasks| # some are in the kernel, and wait on
        Rota.sleep(0.002)
        tasks.each(&:stop)
      end
    end
  end

  def test_the_end_is_found
    with_pipes do |there, _|
      reading = waiting { Rota.loop.read(there[0], 10) }
      there[1].close
      assert_nil reading.await
      assert_nil Rota.loop.read(there[0], 10)
    end
  end

  # It tells it only once, to whoever asks first.
  def test_an_error_of_the_socket_itself
    %i[read recv].each do |verb|
      Rota.run { assert_raises(Errno::ECONNRESET) { Rota.loop.public_send(verb, reset_connection, 10) } }
      Rota.run { assert_raises(Errno::ECONNREFUSED) { Rota.loop.public_send(verb, refused_socket, 10) } }
    end
    Rota.run { assert_raises(Errno::ECONNRESET) { reset_connection.stream.readpartial(10) } }
    Rota.run { assert_raises(Errno::ECONNRESET) { reset_connection.readpartial(10) } }
  end

  def test_errors_are_those_of_the_engine
    Rota.run do
      File.open(__dir__) do |directory|
        assert_includes caught(SystemCallError) { Rota.loop.read(directory, 1) }.message, "read"
      end
      IO.pipe.each do |io|
        assert_kind_of Errno::ENOTSOCK, caught(SystemCallError) { Rota.loop.recv(io, 1) }
        io.close
      end
    end
  end

  # Those of Ruby's own methods, which read by a call when somebody has sent.
  def test_ordinary_reads_of_many_pairs_need_no_entry_each
    Rota.run do
      before = Rota.loop.stats[:entries]
      counts = Array.new(20) { Rota.spin { ordinary_ping_pong(50) } }.map(&:await)
      assert_equal [100] * 20, counts
      assert_operator Rota.loop.stats[:entries] - before, :<, 1000 if ordinary_build? # 2000, without
    end
  end

  # Once they were not tried any more for as long as there were many.
  def test_tries_in_vain_are_forgotten_when_bytes_are_there_again
    Rota.run do
      10.times { many_ordinary_reads_in_vain }
      before = Rota.loop.stats[:entries]
      Array.new(20) { Rota.spin { ordinary_ping_pong(100) } }.each(&:await)
      assert_operator Rota.loop.stats[:entries] - before, :<, 2000 if ordinary_build? # 4000, without
    end
  end

  # On io_uring both a read and a write are an entry.
  def test_reads_of_many_pairs_need_no_wait_each_where_nothing_is_batched
    Engines::ALL.each do |engine|
      Rota.run(engine: engine) do
        before = Rota.loop.stats[:entries]
        Array.new(20) { Rota.spin { ping_pong(100) } }.each(&:await)
        waits = Rota.loop.stats[:entries] - before
        assert_operator waits, :<, 2000 if Rota.loop.engine == :epoll && ordinary_build? # 4000, without
      end
    end
  end

  def test_ordinary_reads_and_those_of_the_loop_side_by_side
    pipes = Array.new(16) { IO.pipe }
    Rota.run do
      readers = pipes.each_with_index.map do |(reader, _), index|
        Rota.spin { index.even? ? reader.readpartial(10) : Rota.loop.read(reader, 10) }
      end
      Rota.snooze
      pipes.each_with_index { |(_, writer), index| writer.write(index.to_s) }
      assert_equal (0...16).map(&:to_s), readers.map(&:await)
    end
  ensure
    pipes.flatten.each(&:close)
  end

  def test_ordinary_reads_beside_tasks_that_never_wait
    pipes = Array.new(8) { IO.pipe }
    Rota.run do |root|
      readers = pipes.map { |reader, _| Rota.spin { reader.readpartial(10) } }
      100.times { Rota.spin { loop { Rota.snooze } } }
      5.times { Rota.snooze } # some hundred switches: they are held back no more
      pipes.map(&:last).each { |writer| writer.write("through") }
      assert_equal ["through"] * 8, readers.map(&:await)
      root.terminate_all_children
    end
  ensure
    pipes.flatten.each(&:close)
  end

  def test_tries_that_bring_something_each_after_long_keep_nobody_else_waiting
    Engines::ALL.each do |engine|
      with_pipes(engine: engine) do |there, back|
        ours, theirs = UNIXSocket.pair
        stream = ours.stream
        reading = Rota.spin { stream.readpartial(10) }
        Rota.sleep(0.001) until Rota.loop.stats[:ops_in_flight] == 1
        echo(there, back)
        rounds = 0
        theirs.write("through")
        until reading.dead?
          compute(0.003)
          ping(there, back)
          rounds += 1
        end
        assert_equal "through", reading.await
        assert_operator rounds, :<, 10 # 32, without
        [stream, theirs].each(&:close)
      end
    end
  end

  # A look amid a hundred pairs parts those who write from those who read what they wrote.
  def test_short_switches_are_no_reason_to_look_at_the_kernel
    Rota.run do
      before = Rota.loop.stats[:polls]
      begun = Process.clock_gettime(Process::CLOCK_MONOTONIC, :microsecond)
      Array.new(2) { Rota.spin { 10_000.times { Rota.snooze } } }.each(&:await)
      elapsed = Process.clock_gettime(Process::CLOCK_MONOTONIC, :microsecond) - begun
      assert_operator Rota.loop.stats[:polls] - before, :<=, (elapsed / 100) + (elapsed / 1000) + 5
    end
  end

  private

  def reset_connection
    server = keep([TCPServer.new("127.0.0.1", 0)]).first
    client = keep([TCPSocket.new("127.0.0.1", server.addr[1])]).first
    server.accept.tap { |peer| peer.setsockopt(:SOCKET, :LINGER, [1, 0].pack("ii")) }.close
    client
  end

  def refused_socket
    closed, socket = keep(Array.new(2) { UDPSocket.new })
    closed.bind("127.0.0.1", 0)
    socket.connect("127.0.0.1", closed.addr[1])
    closed.close
    socket.send("x", 0)
    socket
  end

  # A queue of two entries hands over again and again, and so does who is slow, under valgrind.
  def ordinary_build? = $LOADED_FEATURES.any? { |path| path.end_with?("lib/rota/rota.so") }

  # Yields tasks that read from what was closed by Ruby alone. Nobody gets the bytes of those that have the numbers now.
  def closes_plainly(count, verb)
    Rota.run do
      pairs = Array.new(count) { UNIXSocket.pair }
      numbers = pairs.map { |near, _| near.fileno }
      tasks = pairs.map do |near, _|
        Rota.spin { caught(IOError) { verb == :readpartial ? near.readpartial(9) : Rota.loop.send(verb, near, 9) } }
      end
      Rota.snooze
      pairs.map(&:first).each(&:close)
      others = Array.new(count) { UNIXSocket.pair }.flatten
      assert_empty numbers - others.map(&:fileno)
      others.each { |io| io.write("not for them") }
      yield tasks
      assert_equal ["not for them"] * others.size, others.map { |io| io.read_nonblock(20, exception: false) }
      [*pairs.map(&:last), *others].each(&:close)
    end
  end

  # => messages
  def ordinary_ping_pong(rounds)
    there, back = IO.pipe, IO.pipe
    echo = Rota.spin { loop { back[1].write(there[0].readpartial(10)) } }
    counted = Array.new(rounds) { there[1].write("ping") && [back[0].readpartial(10), 2].last }.sum
    echo.terminate.await
    counted
  ensure
    [*there, *back].each(&:close)
  end

  def ping_pong(rounds)
    there, back = IO.pipe, IO.pipe
    echoing = echo(there, back)
    rounds.times { ping(there, back) }
    echoing.terminate.await
  ensure
    [*there, *back].each(&:close)
  end

  def many_ordinary_reads_in_vain
    pipes = Array.new(20) { IO.pipe }
    reading = pipes.map { |reader, _| Rota.spin { reader.readpartial(10) } }
    Rota.sleep(0.001) until Rota.loop.stats[:ops_in_flight] == pipes.size
    pipes.map(&:last).each { |writer| writer.write("late") }
    assert_equal ["late"] * 20, reading.map(&:await)
  ensure
    pipes.flatten.each(&:close)
  end

  def compute(seconds)
    limit = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    nil until Process.clock_gettime(Process::CLOCK_MONOTONIC) > limit
  end

  def with_pipes(**options)
    there, back = IO.pipe, IO.pipe
    Rota.run(**options) do |root|
      yield there, back
      root.terminate_all_children
    end
  ensure
    [*there, *back].each(&:close)
  end

  def echo(there, back)
    Rota.spin { loop { Rota.loop.write(back[1], Rota.loop.read(there[0], 100)) } }.tap { Rota.snooze }
  end

  def ping(there, back)
    Rota.loop.write(there[1], "ping")
    Rota.loop.read(back[0], 100)
  end
end
