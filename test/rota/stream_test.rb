# frozen_string_literal: true

# also under: valgrind

require_relative "../test_helper"

# What a stream takes, gives and refuses beside the contract of bytes (test/contract).
class StreamTest < RotaTest
  def test_for_fd_owns_the_descriptor
    Rota.run do
      ours, theirs = socket_pair
      number = ours.dup.tap { |io| io.autoclose = false }.fileno
      stream = Rota::Stream.for_fd(number)
      assert_equal number, stream.fileno
      assert_equal "#<Rota::Stream fd=#{number}>", stream.inspect
      ours.close
      stream.close
      assert_nil Rota.loop.read(theirs, 1)
      assert_equal "#<Rota::Stream (closed)>", stream.inspect
      assert_raises(Errno::EBADF) { Rota::Stream.for_fd(987_654) }
      assert_raises(TypeError) { Rota::Stream.for_fd("x") }
      assert_raises(TypeError, NoMethodError) { Rota::Stream.new }
    end
  end

  # Who ran meanwhile could close the stream, and open another file under its number. Where something is raised in
  # the thread, Ruby 4.0 lets others run at each of its blocking calls.
  def test_to_io_is_no_switchpoint
    made = nil
    assert_raises(IndexError) do
      with_stream do |stream, _theirs|
        raise_in(Thread.current)
        made = stream.to_io
        loop { Rota.snooze }
      end
    end
    assert_kind_of BasicSocket, made
  end

  def test_to_io_is_the_same_object_and_does_not_own
    with_stream do |stream, theirs|
      io = stream.to_io
      assert_same io, stream.to_io
      assert_kind_of BasicSocket, io
      refute_predicate io, :autoclose?
      io.write("x")
      assert_equal "x", theirs.readpartial(1)
    end
    Rota.run do
      reader, writer = IO.pipe.each { |io| io.autoclose = false }.map { |io| Rota::Stream.for_fd(io.fileno) }
      assert_instance_of IO, reader.to_io
      assert_raises(Errno::ENOTSOCK) { reader.local_address }
      assert_raises(Errno::ENOTSOCK) { reader.remote_address }
      assert_raises(Errno::ENOTSOCK) { reader.no_delay }
      writer.to_io.syswrite("x")
      assert_equal "x", reader.to_io.sysread(10)
      [reader, writer].each(&:close)
    end
  end

  # Its number is another file's soon.
  def test_to_io_is_closed_with_the_stream
    Rota.run do
      ours, = socket_pair
      stream = stream_of(ours)
      io = stream.to_io
      stream.close
      assert_predicate io, :closed?
      assert_raises(IOError) { stream.to_io }
    end
  end

  # The count of writes that earns a slot was kept for a stream that was closed at the gate.
  def test_a_writer_that_finds_the_stream_closed_behind_the_gate
    12.times do |count|
      with_stream do |stream, theirs|
        count.times { stream << "x" }
        blocked = Rota.spin { assert_raises(IOError) { stream.write("x" * 3_000_000) } }
        waiting = Rota.spin { assert_raises(IOError) { stream.write("y") } }
        Rota.snooze until waiting.state == :waiting
        stream.close
        [blocked, waiting].each(&:await)
        theirs.close
      end
    end
  end

  def test_a_writer_behind_close_write
    with_stream do |stream, theirs|
      writing = Rota.spin { stream.write("x" * 2_000_000) }
      Rota.snooze until writing.state == :waiting
      closing = Rota.spin { stream.close_write }
      late = Rota.spin { assert_raises(IOError) { stream.write("late") } }
      nil while Rota.loop.read(theirs, 100_000)
      assert_match(/not opened for writing/, late.await.message)
      [writing, closing].each(&:await)
    end
  end

  def test_addresses
    Rota.run do
      client, server = tcp_pair.each { |io| io.autoclose = false }.map { |io| Rota::Stream.for_fd(io.fileno) }
      @sockets.clear
      assert_equal client.local_address.inspect_sockaddr, server.remote_address.inspect_sockaddr
      assert_equal server.local_address.inspect_sockaddr, client.remote_address.inspect_sockaddr
      assert_same client, client.no_delay
      assert client.to_io.getsockopt(:TCP, :NODELAY).bool
      [client, server].each(&:close)
    end
  end

  def test_small_things
    with_stream do |stream,|
      assert_same stream, stream.flush
      assert_equal true, stream.sync
      assert_nil stream.timeout
      assert_equal 0, stream.write
      assert_equal 0, stream.write("")
      assert_match(/of another loop/, Thread.new { stream.inspect }.value)
      stream.close
      assert_raises(IOError) { stream.flush }
      assert_raises(IOError) { stream.sync }
      assert_raises(IOError) { stream.sync = true }
    end
  end

  def test_timeouts_that_are_none
    with_stream do |stream,|
      assert_raises(TypeError) { stream.timeout = "1" }
      assert_raises(ArgumentError) { stream.timeout = Float::NAN }
      assert_nil stream.timeout
      stream.timeout = 0 # fires at once
      assert_raises(Rota::TimeoutError) { stream.read(1) }
      stream.timeout = 2**80
      assert_equal 2**80, stream.timeout
    end
  end

  def test_append_can_be_chained
    with_stream do |stream, theirs|
      assert_same stream, stream << "a" << :b << 3
      assert_equal "ab3", theirs.readpartial(10)
    end
  end

  def test_arguments_that_are_refused
    with_stream do |stream, theirs|
      theirs.write("x")
      assert_raises(TypeError) { stream.read("1") }
      assert_raises(ArgumentError) { stream.read(-1) }
      assert_raises(ArgumentError) { stream.read_exactly(-1) }
      assert_raises(ArgumentError) { stream.readpartial(-1) }
      assert_raises(ArgumentError) { stream.read_loop(0) { flunk } }
      assert_raises(ArgumentError) { stream.read_loop(-1) { flunk } }
      assert_raises(LocalJumpError, ArgumentError) { stream.read_loop }
      assert_equal "x", stream.read(1)
    end
  end

  def test_write_after_the_peer_left
    with_stream do |stream, theirs|
      theirs.close
      assert_match(/ - write\z/, assert_raises(Errno::EPIPE) { stream.write("x") }.message)
      assert_raises(Errno::EPIPE) { stream << "y" }
      assert_nil stream.gets
    end
  end

  def test_a_reset_is_told_once_after_what_came_before
    Rota.run do
      client, server = tcp_pair
      stream = stream_of(server)
      client.write("last words")
      waiting = Rota.spin { stream.read(4) }
      assert_equal "last", waiting.await
      client.setsockopt(Socket::Option.linger(true, 0))
      client.close
      assert_equal " words", stream.readpartial(100)
      assert_match(/ - read\z/, assert_raises(Errno::ECONNRESET) { stream.readpartial(1) }.message)
      assert_predicate stream, :eof?
      stream.close
    end
  end

  def test_a_read_that_fails_keeps_what_came_before
    Rota.run do
      client, server = tcp_pair
      stream = stream_of(server)
      task = Rota.spin { assert_raises(Errno::ECONNRESET) { stream.read(100) } }
      Rota.snooze
      client.write("part")
      Rota.sleep(0.005)
      client.setsockopt(Socket::Option.linger(true, 0))
      client.close
      task.await
      assert_equal "part", stream.read
      stream.close
    end
  end

  def test_readers_take_turns
    with_stream do |stream, theirs|
      tasks = Array.new(3) { Rota.spin { stream.gets } }
      Rota.sleep(0.001)
      theirs.write("a\nb\nc\n")
      assert_equal %W[a\n b\n c\n], tasks.map(&:await)
    end
  end

  # Who waits for its turn may give up, and the others go on.
  def test_a_reader_that_gives_up_its_place
    with_stream do |stream, theirs|
      first = Rota.spin { stream.gets }
      second = Rota.spin { Rota.move_on_after(0.002, with_value: :gave_up) { stream.gets } }
      third = Rota.spin { stream.gets }
      assert_equal :gave_up, second.await
      theirs.write("1\n3\n")
      assert_equal %W[1\n 3\n], [first, third].map(&:await)
    end
  end

  # While it runs others come and go: whether the gate is free is asked behind it.
  def test_an_interjection_in_front_of_the_gate
    with_stream do |stream, peer|
      late = Rota.spin do
        Rota.current.interject { Rota.sleep(0.002) }
        stream.read_exactly(3)
      end
      early = Rota.spin { stream.read_exactly(3) }
      Rota.sleep(0.005)
      peer.write("abc")
      assert_equal "abc", early.await
      peer.write("def")
      assert_equal "def", late.await
    end
  end

  def test_a_gate_that_is_left_during_an_interjection
    with_stream do |stream, peer|
      early = Rota.spin { stream.read_exactly(3) }
      late = Rota.spin do
        Rota.current.interject do
          peer.write("abc")
          early.await
        end
        stream.read_exactly(3)
      end
      assert_equal "abc", early.await
      peer.write("def")
      assert_equal "def", late.await
    end
  end

  # Nothing stops it on its way: the gate is left all the same, and the String given back.
  def test_a_throw_out_of_a_write_that_waits
    with_stream do |stream, peer|
      bytes = "a" * 4_000_000
      cut = waiting { catch(:out) { stream.write(bytes) } }
      late = waiting { stream.write("b") }
      Rota.sleep(0.001) until Rota.loop.stats[:ops_in_flight] == 1
      cut.interject { throw :out, :cut }
      assert_equal :cut, cut.await
      bytes << "a"
      came = +""
      came << Rota.loop.read(peer, 65_536) until came.end_with?("b")
      assert_match(/\Aa+b\z/, came)
      assert_operator came.bytesize, :<, bytes.bytesize
      assert_equal 1, late.await
    end
  end

  # What was there is not there any more.
  def test_an_interjection_in_front_of_one_byte
    %i[getc getbyte].product(%i[read_exactly close]).each do |verb, other|
      with_stream do |stream, peer|
        peer.write("abc")
        stream.peek(3)
        Rota.current.interject { other == :close ? stream.close : stream.read_exactly(3) }
        if other == :close
          assert_raises(IOError) { stream.public_send(verb) }
        else
          Rota.spin { peer.write("d") }
          assert_equal "d".ord, stream.public_send(verb).ord
        end
      end
    end
  end

  def test_an_interjection_that_closes_what_is_to_be_waited_for
    with_stream do |stream, _peer|
      number = stream.fileno
      other = nil
      Rota.current.interject { stream.close || (other = UNIXSocket.pair) }
      assert_raises(IOError) { stream.wait_writable(0.01) }
      assert_includes other.map(&:fileno), number
      other.each(&:close)
    end
  end

  # What cannot be delivered is there for the next reader.
  def test_a_buffer_that_is_frozen_meanwhile
    with_stream do |stream, peer|
      buffer = +""
      task = Rota.spin { assert_raises(FrozenError) { stream.read(nil, buffer) } }
      Rota.snooze
      buffer.freeze
      peer.write("bytes")
      peer.close
      task.await
      assert_equal "bytes", stream.read
    end
  end

  def test_an_interrupted_writer_lets_the_next_one_through
    with_stream do |stream, theirs|
      blocked = Rota.spin { Rota.move_on_after(0.005, with_value: :gave_up) { stream.write("x" * 3_000_000) } }
      second = Rota.spin { stream.write("second") }
      assert_equal :gave_up, blocked.await
      found = +""
      found << Rota.loop.read(theirs, 100_000) until found.end_with?("second")
      assert_equal 6, second.await
      assert_match(/\Ax+second\z/, found)
    end
  end

  def test_close_while_others_wait_for_their_turn
    with_stream do |stream, _theirs|
      tasks = Array.new(3) { Rota.spin { assert_raises(IOError) { stream.write("x" * 3_000_000) } } }
      readers = Array.new(3) { Rota.spin { assert_raises(IOError) { stream.gets } } }
      Rota.sleep(0.002)
      stream.close
      (tasks + readers).each { |task| assert_match(/closed/, task.await.message) }
    end
  end

  def test_close_write_waits_for_writes_on_their_way
    with_stream do |stream, theirs|
      writing = Rota.spin { stream.write("x" * 2_000_000) }
      Rota.snooze until writing.state == :waiting
      closing = Rota.spin { stream.close_write }
      count = 0
      while (bytes = Rota.loop.read(theirs, 100_000))
        count += bytes.bytesize
      end
      assert_equal 2_000_000, count
      assert_nil closing.await
      assert_match(/not opened for writing/, assert_raises(IOError) { stream << "x" }.message)
      theirs.write("answer")
      assert_equal "answer", stream.readpartial(10)
    end
  end

  def test_close_while_close_write_waits
    with_stream do |stream, _theirs|
      writing = Rota.spin { assert_raises(IOError) { stream.write("x" * 2_000_000) } }
      Rota.snooze until writing.state == :waiting
      closing = Rota.spin { assert_raises(IOError) { stream.close_write } }
      Rota.snooze until closing.state == :waiting
      stream.close
      [writing, closing].each(&:await)
    end
  end

  def test_close_write_of_what_is_not_connected
    Rota.run do
      stream = Rota.loop.socket(Socket::AF_INET, Socket::SOCK_STREAM)
      assert_match(/close_write/, assert_raises(Errno::ENOTCONN) { stream.close_write }.message)
      stream.close
    end
  end

  # The block of read_loop may close the stream, leave, or read by itself.
  def test_the_block_of_read_loop
    with_stream do |stream, theirs|
      theirs.write("abcdef")
      assert_equal :left, stream.read_loop(2) { |bytes| break :left if bytes == "ab" }
      found = []
      stream.read_loop(1) { |bytes| (found << bytes << stream.read(2)) && break }
      assert_equal %w[c de], found
      assert_raises(IOError) { stream.read_loop { stream.close } }
    end
  end

  def test_the_same_string_written_twice_at_once
    Rota.run do
      pairs = Array.new(2) { socket_pair }
      streams = pairs.map { |ours, _| stream_of(ours) }
      text = "x" * 1_000_000
      tasks = streams.map { |stream| Rota.spin { stream.write(text) } }
      pairs.map(&:last).each do |theirs|
        count = 0
        count += Rota.loop.read(theirs, 100_000).bytesize until count == text.bytesize
      end
      assert_equal [1_000_000] * 2, tasks.map(&:await)
      text << "free again"
      streams.each(&:close)
    end
  end

  def test_an_idle_stream_holds_no_buffer
    with_stream do |stream, theirs|
      theirs.write("x" * 100_000)
      assert_equal 100_000, stream.read(100_000).bytesize
      Rota.sleep(0.001)
      assert_equal 0, Rota.loop.stats[:buffers_lent]
      require "objspace"
      assert_operator ObjectSpace.memsize_of(stream), :<, 1000
    end
  end

  def test_a_slot_after_some_writes
    with_stream do |stream, theirs|
      30.times { stream << "x" }
      assert_equal 30, theirs.readpartial(100).bytesize
      assert_operator Rota.loop.stats[:slots_used], :<=, 1
    end
  end

  def test_a_datagram_socket
    Rota.run do
      receiver = keep([UDPSocket.new.tap { |socket| socket.bind("127.0.0.1", 0) }]).first
      stream = Rota.loop.socket(Socket::AF_INET, Socket::SOCK_DGRAM)
      Rota.loop.connect(stream, receiver.local_address)
      assert_equal 5, stream.write("hello")
      assert_equal "hello", Rota.loop.recv(receiver, 100)
      assert_equal 0, Rota.loop.send_bytes(stream, "")
      assert_equal "", Rota.loop.recv(receiver, 0)
      stream.close
    end
  end

  private

  def with_stream
    Rota.run do
      ours, theirs = socket_pair
      stream = stream_of(ours)
      yield stream, theirs
    ensure
      stream&.close
    end
  end

  # While no other task runs.
  def raise_in(thread)
    raiser = Thread.new { thread.raise(IndexError) }
    nil while raiser.alive?
  end

  # A stream on a copy of the descriptor; the original is closed.
  def stream_of(socket)
    number = socket.dup.tap { |io| io.autoclose = false }.fileno
    socket.close
    Rota::Stream.for_fd(number)
  end
end
