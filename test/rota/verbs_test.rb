# frozen_string_literal: true

# also under: valgrind

require_relative "../test_helper"
require "fcntl"
require "tempfile"

# What each verb of the loop takes, gives and refuses. What holds for bytes over any transport is in
# test/contract.
class VerbsTest < RotaTest
  # -- io ------------------------------------------------------------------------------------------

  VERBS = {
    read: [1], recv: [1], write: ["x"], write_some: ["x"], send_bytes: ["x"], accept: [], connect: ["x"], poll: [1],
    close: []
  }.freeze

  def test_what_is_no_io
    each_verb do |call|
      [nil, "x", Object.new, 1.5, :x].each do |wrong|
        error = assert_raises(TypeError) { call.call(wrong) }
        assert_match(/is no IO, Rota::Stream or descriptor number/, error.message)
      end
    end
  end

  def test_a_closed_io
    reader, writer = IO.pipe
    [reader, writer].each(&:close)
    each_verb { |call| assert_match(/closed/, assert_raises(IOError) { call.call(reader) }.message) }
  end

  def test_a_number_that_is_no_descriptor
    each_verb do |call, name|
      error = assert_raises(Errno::EBADF) { call.call(987_654) }
      assert_match(/ - #{{ write_some: :write, send_bytes: :send }.fetch(name, name)}\z/, error.message)
    end
    Rota.run { assert_raises(Errno::EBADF) { Rota.loop.read(-1, 1) } }
    Rota.run { assert_raises(RangeError) { Rota.loop.read(2**40, 1) } }
    Rota.run { assert_raises(TypeError, RangeError) { Rota.loop.read(2**70, 1) } }
  end

  def test_the_wrong_kind_of_file
    Rota.run do
      reader, writer = IO.pipe
      { accept: [], recv: [1], connect: [Addrinfo.tcp("127.0.0.1", 1)], send_bytes: ["x"] }.each do |name, args|
        error = assert_raises(Errno::ENOTSOCK) { Rota.loop.public_send(name, writer, *args) }
        assert_match(/ - #{name == :send_bytes ? :send : name}\z/, error.message)
      end
      assert_raises(Errno::ENOTSOCK) { Rota.loop.recv_each(reader) { flunk } }
      assert_raises(Errno::ENOTSOCK) { Rota.loop.accept_each(reader) { flunk } }
      assert_raises(Errno::EBADF) { Rota.loop.write(reader, "x") }
      assert_raises(Errno::EBADF) { Rota.loop.read(writer, 1) }
      File.open("/") { |folder| assert_raises(Errno::EISDIR) { Rota.loop.read(folder, 1) } }
      [reader, writer].each(&:close)
    end
  end

  def test_something_with_to_io
    Rota.run do
      reader, writer = IO.pipe
      holder = Struct.new(:to_io)
      assert_equal 2, Rota.loop.write(holder.new(writer), "ab")
      assert_equal "ab", Rota.loop.read(holder.new(reader), 2)
      [reader, writer].each(&:close)
    end
  end

  def test_bytes_in_rubys_own_buffer
    Rota.run do
      ours, theirs = socket_pair
      theirs.write("line\nmore")
      assert_equal "line\n", ours.gets
      [-> { Rota.loop.read(ours, 1) }, -> { Rota.loop.recv(ours, 1) }, lambda {
        Rota.loop.recv_each(ours) do
          flunk
        end
      }].each do |call|
        assert_match(/own buffer/, assert_raises(IOError, &call).message)
      end
      assert_equal "more", ours.readpartial(10)
      theirs.write("x")
      assert_equal "x", Rota.loop.read(ours, 1)
    end
  end

  def test_a_stream_that_buffers
    Rota.run do
      stream, theirs = stream_pair
      theirs.write("ab")
      assert_equal "a", Rota.loop.read(stream, 1) # nothing buffered yet
      assert_equal "b", stream.read(1)
      assert_match(/buffers/, assert_raises(IOError) { Rota.loop.read(stream, 1) }.message)
      assert_match(/buffers/, assert_raises(IOError) { Rota.loop.recv_each(stream) { flunk } }.message)
      assert_equal 1, Rota.loop.write(stream, "c")
      assert_equal "c", theirs.readpartial(1)
      stream.close
    end
  end

  def test_another_loops_stream
    Rota.run do
      stream, = stream_pair
      error = Thread.new { Rota.run { assert_raises(IOError) { Rota.loop.write(stream, "x") } } }.value
      assert_match(/another loop/, error.message)
      error = Thread.new { Rota.run { assert_raises(IOError) { stream.write("x") } } }.value
      assert_match(/another loop/, error.message)
      stream.close
    end
  end

  def test_another_threads_loop
    Rota.run do
      loop = Rota.loop
      reader, writer = IO.pipe
      each_verb_of(loop) do |call|
        assert_kind_of StandardError, Thread.new { assert_raises(IOError, Rota::Error) { call.call(reader) } }.value
      end
      [reader, writer].each(&:close)
    end
  end

  def test_a_loop_that_was_stopped
    loop = Rota.run { Rota.loop }
    each_verb_of(loop) { |call| assert_raises(IOError) { call.call(0) } }
  end

  # -- bytes ---------------------------------------------------------------------------------------

  def test_arguments_of_read
    with_pipe do |loop, reader, writer|
      writer.write("abc")
      assert_raises(ArgumentError) { loop.read(reader, -1) }
      assert_raises(TypeError) { loop.read(reader, "1") }
      assert_raises(TypeError) { loop.read(reader, nil) }
      assert_raises(TypeError) { loop.read(reader, 1, 1) }
      assert_raises(TypeError) { loop.read(reader, 1, :symbol) }
      assert_raises(FrozenError) { loop.read(reader, 1, "frozen") }
      assert_raises(ArgumentError) { loop.read(reader, 1, +"abc", 4) }
      assert_raises(ArgumentError) { loop.read(reader, 1, IO::Buffer.new(4), 5) }
      assert_raises(ArgumentError) { loop.read(reader, 1, IO::Buffer.new(4), -1) }
      assert_raises(ArgumentError) { loop.read(reader) }
      assert_raises(ArgumentError) { loop.read(reader, 1, nil, 0, nil, 1) }
      assert_raises(RangeError) { loop.read(reader, 2**64) }
      assert_equal "abc", loop.read(reader, 10)
    end
  end

  # As much as the kernel moves at once, and no more room than that.
  def test_a_length_without_end
    with_pipe do |loop, reader, writer|
      writer.write("abcdef")
      assert_equal "abc", loop.read(reader, 3)
      buffer = +"xyz"
      assert_equal 3, loop.read(reader, (2**63) - 1, buffer, 2)
      assert_equal "xydef", buffer
      buffer.clear
    end
  end

  def test_read_at_an_offset
    Tempfile.create("offset") do |file|
      file.write("0123456789")
      file.flush
      Rota.run do
        assert_equal "345", Rota.loop.read(file, 3, nil, 0, 3)
        assert_equal "89", Rota.loop.read(file, 5, nil, 0, 8)
        assert_nil Rota.loop.read(file, 5, nil, 0, 100)
        assert_equal "789", Rota.loop.read(file.fileno, 5, nil, nil, 7)
        assert_nil Rota.loop.read(file, 5) # the file's own position is at its end
        assert_raises(ArgumentError) { Rota.loop.read(file, 1, nil, 0, -1) }
        assert_raises(RangeError) { Rota.loop.read(file, 1, nil, 0, 2**63) }
      end
    end
  end

  def test_a_short_read_does_not_keep_the_room_that_was_asked_for
    require "objspace"
    with_pipe do |loop, reader, writer|
      writer.write("x")
      assert_operator ObjectSpace.memsize_of(loop.read(reader, 1_000_000)), :<, 10_000
    end
  end

  def test_a_lent_string
    with_pipe do |loop, reader, writer|
      buffer = +"before"
      task = Rota.spin { loop.read(reader, 10, buffer, -1) }
      Rota.snooze until task.state == :waiting
      assert_raises(RuntimeError) { buffer << "x" }
      assert_raises(RuntimeError) { buffer.clear }
      assert_raises(RuntimeError) { loop.read(reader, 10, buffer) }
      writer.write(" after")
      assert_equal 6, task.await
      assert_equal "before after!", buffer << "!"
    end
  end

  # However many others write between them: among a few a write is a call, among many an entry.
  def test_who_writes_later_overtakes_nobody
    Rota.run do
      %i[write send_bytes sendmsg].product([*0..8], %i[itself fileno]) do |verb, others, given_as|
        ours, theirs = UNIXSocket.pair
        write_in_turn(verb, others, ours.public_send(given_as))
        assert_equal "first second", theirs.read_nonblock(100), [verb, others, given_as]
      end
    end
  end

  def test_who_writes_to_a_stream_later_overtakes_nobody
    Rota.run do
      9.times do |others|
        reader, writer = Rota.pipe
        write_in_turn(:write, others, writer)
        assert_equal "first second", reader.readpartial(100), others
      end
    end
  end

  def test_the_same_string_to_two_connections
    Rota.run do
      text = "response " * 100_000 # not frozen: lent once, copied for the others
      pairs = Array.new(3) { socket_pair }
      tasks = pairs.map { |ours, _| Rota.spin { Rota.loop.write(ours, text) } }
      readers = pairs.map { |_, theirs| Rota.spin { read_exactly(theirs, text.bytesize) } }
      assert_equal [text.bytesize] * 3, tasks.map(&:await)
      readers.each { |reader| assert reader.await == text }
      text << "is free again"
    end
  end

  def test_a_string_that_is_written_cannot_be_changed_meanwhile
    Rota.run do
      ours, theirs = socket_pair
      text = +"x" * 1_000_000
      task = Rota.spin { Rota.loop.write(ours, text) }
      Rota.snooze until task.state == :waiting
      assert_raises(RuntimeError) { text << "more" }
      read_exactly(theirs, 1_000_000)
      task.await
      text << "more"
    end
  end

  def test_write_takes_what_has_to_s
    with_pipe do |loop, reader, writer|
      object = Class.new { def to_s = "object" }.new
      assert_equal 12, loop.write(writer, object, nil, 12, :abcd)
      assert_equal "object12abcd", loop.read(reader, 100)
      assert_raises(ArgumentError) { loop.write(writer) }
      assert_raises(ArgumentError) { loop.write_some(writer) }
    end
  end

  # Its number is another file's by the time the bytes are there.
  def test_an_io_that_to_s_closes
    { write: [[:slow], ["a", :slow], ["x" * 70_000, :slow]], write_some: [[:slow]], pwrite: [[:slow, 0], ["a", :slow]],
      send_bytes: [[:slow], ["a", :slow]] }.each do |verb, cases|
      cases.each do |template|
        closes_and_reuses do |io, slow|
          arguments = template.map { |argument| argument == :slow ? slow : argument }
          Rota.loop.public_send(verb, io, *arguments)
        end
      end
    end
    closes_and_reuses { |io, slow| Rota.loop.batch { |batch| batch.write(io, slow) } }
    closes_and_reuses(stream: true) { |stream, slow| stream.write(slow) }
    closes_and_reuses(stream: true) { |stream, slow| stream.write("a", slow) }
  end

  def test_an_io_that_to_int_closes
    { read: [:slow], pread: [1, :slow], recv: [1, nil, :slow], readv: [["x"], :slow], poll: [:slow],
      wait: [:slow], listen: [:slow], getsockopt: [:slow, 1], setsockopt: [1, 9, :slow] }.each do |verb, template|
      closes_and_reuses do |io, slow|
        Rota.loop.public_send(verb, io, *template.map { |argument| argument == :slow ? slow : argument })
      end
    end
  end

  # Interjections that wait run in front of the verb's first op.
  def test_an_io_that_an_interjection_closes
    assert_closed_by_an_interjection VERBS.except(:close, :connect).merge(pwrite: ["x", 0])
  end

  def test_messages_and_waits_whose_io_an_interjection_closes
    assert_closed_by_an_interjection sendmsg: ["wrong"], recvmsg: [1], recv_io: [], send_io: [$stderr], wait: [1]
  end

  def test_a_splice_whose_target_an_interjection_closes
    with_pipe do |loop, reader, writer|
      writer.write("x")
      closes_and_reuses do |io, slow|
        Rota.current.interject { slow.to_s }
        loop.splice(reader, io, 1)
      end
    end
  end

  def test_to_s_that_raises_leaves_nothing_locked
    with_pipe do |loop, reader, writer|
      bad = Class.new { def to_s = raise(IndexError) }.new
      text = +"text"
      assert_raises(IndexError) { loop.write(writer, text, bad) }
      text << "!"
      writer.close
      assert_nil loop.read(reader, 10) # nothing of it went out
    end
  end

  def test_a_broken_pipe
    Rota.run do
      reader, writer = IO.pipe
      reader.close
      assert_match(/ - write\z/, assert_raises(Errno::EPIPE) { Rota.loop.write(writer, "x") }.message)
      writer.close
      ours, theirs = socket_pair
      theirs.close
      assert_match(/ - send\z/, assert_raises(Errno::EPIPE) { Rota.loop.send_bytes(ours, "x") }.message)
      assert_match(/ - write\z/, assert_raises(Errno::EPIPE) { Rota.loop.write_some(ours, "x") }.message)
    end
  end

  def test_a_failed_write_says_how_much_went_out
    Rota.run do
      ours, theirs = socket_pair
      task = Rota.spin { assert_raises(Errno::EPIPE, Errno::ECONNRESET) { Rota.loop.write(ours, "x" * 2_000_000) } }
      read_exactly(theirs, 10_000)
      Rota.snooze until task.state == :waiting
      theirs.close
      assert_operator task.await.bytes_written, :>=, 10_000
    end
  end

  # A read that had its bytes when it was interrupted returns them; otherwise it has taken none.
  def test_the_bytes_of_an_interrupted_task
    with_pipe do |loop, reader, writer|
      20.times do |i|
        task = Rota.spin { loop.read(reader, 100) }
        Rota.snooze until task.state == :waiting
        Rota.sleep(0.001) if i.even?
        writer.write(i.to_s)
        task.terminate
        assert_equal i.to_s, task.await || loop.read(reader, 100)
      end
    end
  end

  def test_peeking
    Rota.run do
      ours, theirs = socket_pair
      theirs.write("abc")
      assert_equal "ab", Rota.loop.recv(ours, 2, nil, Socket::MSG_PEEK)
      assert_equal "abc", Rota.loop.recv(ours, 10)
      assert_raises(TypeError) { Rota.loop.recv(ours, 1, nil, "flags") }
    end
  end

  def test_without_the_write_that_waits_sigpipe_ends_nobody
    _out, errors, status = run_ruby(<<~RUBY)
      require "rota"
      trap("PIPE", "SYSTEM_DEFAULT")
      Rota.run do
        ours, theirs = UNIXSocket.pair
        theirs.close
        begin
          Rota.loop.send_bytes(ours, "x")
        rescue Errno::EPIPE
          exit 7
        end
      end
    RUBY
    assert_equal 7, status.exitstatus, errors
  end

  # -- sockets -------------------------------------------------------------------------------------

  def test_accept_and_connect
    Rota.run do
      server = keep([TCPServer.new("127.0.0.1", 0)]).first
      accepting = Rota.spin { Rota.loop.accept(server) }
      client = Rota.loop.socket(Socket::AF_INET, Socket::SOCK_STREAM)
      assert_equal 0, Rota.loop.connect(client, server.local_address)
      stream = accepting.await
      assert_instance_of Rota::Stream, stream
      client << "hello"
      assert_equal "hello", stream.readpartial(10)
      assert_equal stream.remote_address.ip_port, client.local_address.ip_port
      [client, stream].each { |it| assert_predicate it.to_io, :close_on_exec? }
      [client, stream].each(&:close)
    end
  end

  def test_a_write_to_a_socket_leaves_what_was_read_ahead
    Rota.run do
      ours, theirs = keep(UNIXSocket.pair)
      io = IO.for_fd(ours.fileno, "r+", autoclose: false)
      theirs.write("one\ntwo\n")
      assert_equal "one\n", io.gets
      Rota.loop.write(io, "x")
      theirs.write("three\n")
      assert_equal %W[two\n three\n], [io.gets, io.gets]
    end
  end

  # It is of the class all the same.
  def test_a_socket_that_is_a_file_by_now
    check_written_and_read { |socket, path| socket.reopen(path, "r+") }
  end

  # ... and has no path.
  def test_a_socket_whose_number_is_a_files_by_now
    check_written_and_read do |socket, path|
      File.open(path, "r+") { |file| IO.for_fd(socket.fileno, "r+", autoclose: false).reopen(file) }
    end
  end

  # As by the system calls: one of no bytes is sent, and a read of none takes none.
  def test_empty_datagrams
    Rota.run do
      from, to = keep(UNIXSocket.pair(:DGRAM))
      Rota.loop.write(from, "")
      Rota.loop.write_some(from, "")
      Rota.loop.batch { |b| 6.times { b.write(from, "") } }
      Rota::Task.await(*Array.new(8) { Rota.spin { Rota.loop.write(from, "") } })
      assert_equal "", Rota.loop.read(to, 0)
      assert_equal [""] * 16, Array.new(16) { to.recv_nonblock(10) }
      to.close
      assert_raises(Errno::ECONNREFUSED) { Rota.loop.write(from, "") }
      assert_instance_of Errno::ENOTCONN, Rota.loop.batch { |b| b.write(from, "") }.first
    end
  end

  def test_a_number_gives_a_number
    Rota.run do
      server = keep([TCPServer.new("127.0.0.1", 0)]).first
      client = keep([TCPSocket.new("127.0.0.1", server.addr[1])]).first
      number = Rota.loop.accept(server.fileno)
      assert_kind_of Integer, number
      client.write("x")
      assert_equal "x", Rota.loop.read(number, 1)
      assert_nil Rota.loop.close(number)
      assert_raises(Errno::EBADF) { Rota.loop.close(number) }
    end
  end

  def test_connect_with_a_packed_address
    Rota.run do
      server = keep([TCPServer.new("127.0.0.1", 0)]).first
      stream = Rota.loop.socket(Socket::AF_INET, Socket::SOCK_STREAM, 0)
      assert_equal 0, Rota.loop.connect(stream, server.local_address.to_sockaddr)
      stream.close
    end
  end

  def test_a_refused_connection
    Rota.run do
      stream = Rota.loop.socket(Socket::AF_INET, Socket::SOCK_STREAM)
      error = assert_raises(Errno::ECONNREFUSED) { Rota.loop.connect(stream, Addrinfo.tcp("127.0.0.1", unused_port)) }
      assert_match(/ - connect\z/, error.message)
      assert_raises(TypeError) { Rota.loop.connect(stream, nil) }
      assert_raises(Errno::EINVAL) { Rota.loop.connect(stream, "") }
      stream.close
    end
  end

  def test_sockets_that_do_not_exist
    Rota.run do
      assert_match(/socket/, assert_raises(SystemCallError) { Rota.loop.socket(12_345, Socket::SOCK_STREAM) }.message)
      assert_raises(TypeError) { Rota.loop.socket(nil, nil) }
      assert_raises(ArgumentError) { Rota.loop.socket(Socket::AF_INET) }
    end
  end

  def test_accept_each
    Rota.run do
      server = keep([TCPServer.new("127.0.0.1", 0)]).first
      clients = keep(Array.new(20) { TCPSocket.new("127.0.0.1", server.addr[1]) })
      taken = []
      Rota.loop.accept_each(server) { |stream| break if (taken << stream).size == 10 }
      assert_equal(clients.first(10).map { |client| client.local_address.ip_port },
                   taken.map { |stream| stream.remote_address.ip_port })
      # Those that came beside them were closed, not kept open without an owner.
      clients.last(10).each { |client| client.write("x") rescue nil } # rubocop:disable Style/RescueModifier
      taken.each(&:close)
      assert_raises(LocalJumpError, ArgumentError) { Rota.loop.accept_each(server) }
    end
  end

  def test_a_closed_server_ends_accept
    Rota.run do
      servers = keep(Array.new(2) { TCPServer.new("127.0.0.1", 0) })
      tasks = [Rota.spin { assert_raises(IOError) { Rota.loop.accept(servers[0]) } },
               Rota.spin { assert_raises(IOError) { Rota.loop.accept_each(servers[1]) { flunk } } }]
      Rota.sleep(0.002)
      servers.each { |server| Rota.loop.close(server) }
      tasks.each { |task| assert_match(/closed/, task.await.message) }
    end
  end

  # It is begun anew every half second, when its number, or its place in the table, may be another's.
  def test_an_accept_that_is_begun_anew_meets_no_other_file
    Rota.run do
      loop = Rota.loop
      moved, other, closed = keep(Array.new(3) { TCPServer.new("127.0.0.1", 0) })
      loop.register_files(moved)
      tasks = [Rota.spin { loop.accept(moved) }, Rota.spin { loop.batch { |b| b.accept(moved) }.first },
               Rota.spin { loop.batch { |b| b.accept(closed) }.first },
               Rota.spin { assert_raises(IOError, Rota::Terminate) { loop.accept(closed) } }]
      Rota.sleep(0.001) until loop.stats[:ops_in_flight] == tasks.size
      loop.unregister_files(moved)
      Rota.sleep(0.001) until loop.stats[:slots_used].zero?
      loop.register_files(other)
      number = closed.fileno
      Thread.new { closed.close }.join # of which the loop is not told
      keep([IO.for_fd(other.fcntl(Fcntl::F_DUPFD, number))])
      Rota.sleep(0.6)
      keep(Array.new(2) { TCPSocket.new("127.0.0.1", moved.addr[1]) })
      accepted = keep(Rota.cancel_after(5) { tasks.first(2).map(&:await) })
      assert_equal([moved.addr[1]] * 2, accepted.map { |stream| stream.local_address.ip_port })
      next tasks.each(&:terminate) unless loop.engine == :io_uring

      assert_equal([IOError] * 2, tasks.drop(2).map { |task| task.await.class })
    end
  end

  def test_accept_of_what_does_not_listen
    Rota.run do
      ours, = socket_pair
      assert_match(/ - accept\z/, assert_raises(Errno::EINVAL) { Rota.loop.accept(ours) }.message)
      assert_match(/ - accept\z/, assert_raises(Errno::EINVAL) { Rota.loop.accept_each(ours) { flunk } }.message)
    end
  end

  # -- waiting and closing -------------------------------------------------------------------------

  def test_poll
    with_pipe do |loop, reader, writer|
      assert_equal IO::WRITABLE, loop.poll(writer, IO::WRITABLE | IO::READABLE)
      writer.write("x")
      assert_equal IO::READABLE, loop.poll(reader.fileno, IO::READABLE)
      loop.read(reader, 1)
      writer.close
      assert_equal 16, loop.poll(reader, IO::READABLE) & 16
      assert_raises(TypeError) { loop.poll(reader, nil) }
      assert_raises(RangeError) { loop.poll(reader, 2**40) }
    end
  end

  def test_wait
    Rota.run do
      loop = Rota.loop
      reader, writer = keep(IO.pipe)
      assert_nil loop.wait(reader, IO::READABLE, 0)
      assert_nil loop.wait(reader, IO::READABLE, 0.001)
      assert_equal IO::WRITABLE, loop.wait(writer, IO::WRITABLE, 0)
      assert_equal IO::WRITABLE, loop.wait(writer, IO::READABLE | IO::WRITABLE)
      waiting = Rota.spin { loop.wait(reader, IO::READABLE, 10) }
      Rota.snooze
      writer.syswrite("x")
      assert_equal IO::READABLE, waiting.await
      assert_equal IO::READABLE, loop.wait(reader.fileno, IO::READABLE, 0)
      writer.close
      assert_equal IO::READABLE | 16, loop.wait(reader, IO::READABLE, 1)
    end
  end

  def test_wait_that_fails
    Rota.run do
      loop = Rota.loop
      reader, = keep(IO.pipe)
      assert_raises(TypeError) { loop.wait(reader, IO::READABLE, "soon") }
      waiting = Rota.spin { caught(IOError) { loop.wait(reader, IO::READABLE, 10) } }
      Rota.snooze
      loop.close(reader)
      assert_kind_of IOError, waiting.await
      assert_raises(IOError) { loop.wait(reader, IO::READABLE, 0) }
      assert_raises(Errno::EBADF) { loop.wait(12_345, IO::READABLE, 0) }
    end
  end

  def test_sleep_and_timeout
    Rota.run do
      loop = Rota.loop
      assert_equal 0, loop.sleep(0.001)
      assert_equal :value, loop.timeout(1) { :value }
      assert_raises(Rota::TimeoutError) { loop.timeout(0.001) { loop.sleep } }
      foreign = Thread.new do
        Rota.run { [caught(Rota::Error) { loop.sleep(0) }, caught(Rota::Error) { loop.timeout(1) { flunk } }] }
      end
      assert_equal [Rota::Error] * 2, foreign.value.map(&:class)
    end
  end

  def test_close_by_number_wakes_who_waits
    Rota.run do
      ours, theirs = socket_pair
      copy = ours.dup.tap { |io| io.autoclose = false }.fileno
      tasks = [Rota.spin { assert_raises(IOError) { Rota.loop.read(copy, 1) } },
               Rota.spin { assert_raises(IOError) { Rota.loop.poll(copy, IO::READABLE) } },
               Rota.spin { assert_raises(IOError) { Rota.loop.recv_each(copy) { flunk } } }]
      Rota.sleep(0.002)
      assert_nil Rota.loop.close(copy)
      tasks.each { |task| assert_match(/closed/, task.await.message) }
      theirs.write("x")
      assert_equal "x", Rota.loop.read(ours, 1)
    end
  end

  def test_close_of_a_stream
    Rota.run do
      stream, = stream_pair
      waiting = Rota.spin { assert_raises(IOError) { stream.read } }
      writing = Rota.spin { assert_raises(IOError) { Rota.loop.write(stream, "x" * 3_000_000) } }
      Rota.sleep(0.002)
      assert_nil Rota.loop.close(stream)
      assert_predicate stream, :closed?
      [waiting, writing].each { |task| assert_match(/closed/, task.await.message) }
    end
  end

  # Its request ends inside of close, without a completion that could wake the loop.
  def test_close_wakes_who_waits_for_a_place_in_the_queue
    Rota.run(entries: 2) do
      readers, writers = Array.new(6) { IO.pipe }.transpose
      tasks = readers.map { |reader| Rota.spin { assert_raises(IOError) { Rota.loop.read(reader, 1) } } }
      Rota.snooze
      assert_operator Rota.loop.stats[:ops_queued], :>, 0
      Rota.loop.close(readers.last)
      tasks.last.await
      readers[..-2].each { |reader| Rota.loop.close(reader) }
      tasks.each(&:await)
      writers.each(&:close)
    end
  end

  def test_bytes_written_counts_all_arguments
    Rota.run do
      ours, theirs = socket_pair
      task = Rota.spin do
        assert_raises(Errno::EPIPE, Errno::ECONNRESET) { Rota.loop.write(ours, "x" * 70_000, "y" * 3_000_000) }
      end
      read_exactly(theirs, 70_001)
      Rota.snooze until task.state == :waiting
      theirs.close
      assert_operator task.await.bytes_written, :>=, 70_001
    end
  end

  # What was kept is yielded first; the number may be another socket's behind it.
  def test_recv_each_of_an_io_that_the_block_closes_with_what_was_kept
    reader, writer = socket_pair
    Rota.run do
      writer.write("first")
      Rota.loop.recv_each(reader) do
        writer.write("kept")
        Rota.sleep(0.001) while reader.wait_readable(0)
        break
      end
      got = []
      assert_raises(IOError) { Rota.loop.recv_each(reader) { |bytes| (got << bytes) && Rota.loop.close(reader) } }
      assert_equal ["kept"], got
    end
  end

  # What it did not take is not for who has the number next, at once or later.
  def test_recv_each_of_an_io_that_the_block_closes_before_it_leaves
    [true, false].each do |early|
      Rota.run do
        reader, writer = Rota.pair
        number = reader.fileno
        other = nil
        writer.write("one")
        Rota.loop.recv_each(reader) do
          writer.write("more")
          Rota.sleep(0.002)
          reader.close
          other = socket_pair_with_number(number) if early
          break
        end
        other ||= socket_pair_with_number(number)
        other[1].write("mine")
        assert_equal "mine", Rota.loop.read(other[0], 10)
      ensure
        writer&.close
      end
    end
  end

  # With so much held back for the block the request ended; it is made anew behind the block.
  def test_recv_each_of_an_io_that_the_block_closes_while_it_is_held_back
    reader, writer = socket_pair
    Rota.run do
      number = reader.fileno
      writing = Rota.spin { assert_raises(Errno::EPIPE) { Rota.loop.write(writer, "x" * 4_000_000) } }
      other = nil
      got = []
      assert_raises(IOError) do
        Rota.loop.recv_each(reader) do |bytes|
          got << bytes
          next if other

          Rota.sleep(0.01)
          reader.close
          other = socket_pair_with_number(number)
          other[1].write("mine")
        end
      end
      writing.await
      assert_equal "mine", Rota.loop.read(other[0], 10)
      refute_includes got.join, "mine"
    end
  end

  def test_accept_each_of_a_server_that_the_block_closes_while_it_is_held_back
    servers = Array.new(2) { TCPServer.new("127.0.0.1", 0) }
    number = servers[0].fileno
    clients = Array.new(40) { TCPSocket.new("127.0.0.1", servers[0].addr[1]) }
    waiting = TCPSocket.new("127.0.0.1", servers[1].addr[1])
    Rota.run do
      assert_raises(IOError) do
        Rota.loop.accept_each(servers[0]) do |connection|
          connection.close
          next if servers[0].closed?

          Rota.sleep(0.01)
          servers[0].close
          servers << servers[1].dup
          assert_equal number, servers[2].fileno
        end
      end
      Rota.loop.accept(servers[2]).close
    end
  ensure
    [*servers, *clients, waiting].each(&:close)
  end

  private

  def write_in_turn(verb, others, target)
    between = Array.new(others) { UNIXSocket.pair }
    writers = [[target, "first "], *between.map { |other, _| [other, "x"] }, [target, "second"]]
    writers.map { |io, bytes| Rota.spin { Rota.loop.public_send(verb, io, bytes) } }.each(&:await)
  end

  def each_verb(&block)
    Rota.run { each_verb_of(Rota.loop, &block) }
  end

  def each_verb_of(loop)
    VERBS.each { |name, args| yield ->(io) { loop.public_send(name, io, *args) }, name }
    yield ->(io) { loop.recv_each(io) { flunk } }, :recv_each
    yield ->(io) { loop.accept_each(io) { flunk } }, :accept
  end

  def with_pipe
    Rota.run do
      reader, writer = IO.pipe
      yield Rota.loop, reader, writer
    ensure
      [reader, writer].each { |io| io&.close }
    end
  end

  # => a stream and a plain socket
  def stream_pair
    ours, theirs = UNIXSocket.pair
    ours.autoclose = false
    keep([theirs])
    [Rota::Stream.for_fd(ours.fileno), theirs]
  end

  def assert_closed_by_an_interjection(verbs)
    verbs.each do |verb, arguments|
      closes_and_reuses do |io, slow|
        Rota.current.interject { slow.to_s }
        Rota.loop.public_send(verb, io, *arguments)
      end
    end
  end

  # Yields an io, and an object whose to_s and to_int close it and let another file have its number.
  # The verb must notice.
  def closes_and_reuses(stream: false)
    Rota.run do
      io, peer = stream ? stream_pair : UNIXSocket.pair
      number = io.fileno
      others = nil
      slow = Object.new
      slow.define_singleton_method(:to_s) do
        Rota.spin do
          io.close
          others = UNIXSocket.pair
        end.await
        "wrong"
      end
      slow.define_singleton_method(:to_int) { to_s && 0 }
      assert_raises(IOError) { yield io, slow }
      assert_equal number, others.first.fileno
      assert_equal :wait_readable, others.last.read_nonblock(1, exception: false)
      [peer, *others].each(&:close)
    end
  end

  def read_exactly(io, length)
    bytes = +""
    bytes << Rota.loop.read(io, length - bytes.bytesize) until bytes.bytesize == length
    bytes
  end

  def unused_port = TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }

  def check_written_and_read
    Tempfile.create do |file|
      file.write("hello")
      file.flush
      Rota.run do
        socket, peer = keep(UNIXSocket.pair)
        peer.close
        yield socket, file.path
        assert_equal "hello", Rota.loop.read(socket, 10)
        assert_equal [3, 1], [Rota.loop.write(socket, "abc"), Rota.loop.write_some(socket, "d")]
        assert_equal [1, 1], Rota.loop.chain { |c| %w[e f].each { |letter| c.write(socket, letter) } }
        assert_equal [1, 1], Rota.loop.batch { |b| %w[g h].each { |letter| b.write(socket, letter) } }
        assert_nil Rota.loop.read(socket, 10)
      end
      assert_match(/\Ahelloabcdef(gh|hg)\z/, File.read(file.path)) # a batch has no order
    end
  end
end
