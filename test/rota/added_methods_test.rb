# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"
require "tmpdir"

# What IO, the sockets and the servers have more with Rota.
class AddedMethodsTest < RotaTest
  def test_read_loop
    Transports::ALL.each do |transport|
      in_loop do
        reader, writer = keep(transport.ends)
        text = Random.new(3).bytes(100_000)
        Rota.spin { Rota.loop.write(writer, text) && writer.close }
        pieces = []
        assert_same reader, reader.read_loop(1000) { |bytes| pieces << bytes }
        assert_equal text, pieces.join
        assert_operator pieces.map(&:bytesize).max, :<=, 1000
        assert_equal [Encoding::BINARY], pieces.map(&:encoding).uniq
      end
    end
  end

  def test_read_loop_begins_with_rubys_own_buffer
    in_loop do
      reader, writer = keep(IO.pipe)
      writer.syswrite("a line\nin the buffer\nmore")
      assert_equal "a line\n", reader.gets
      pieces = []
      reader.read_loop(10) do |bytes|
        pieces << bytes
        writer.syswrite("last\n") if pieces.size == 2
        writer.close if pieces.size == 3
      end
      assert_equal "in the buffer\nmorelast\n", pieces.join
      Dir.mktmpdir do |folder|
        File.write("#{folder}/f", "one\ntwo\nthree\n")
        File.open("#{folder}/f") do |file|
          file.gets
          assert_equal "two\nthree\n", collect { |found| file.read_loop { |bytes| found << bytes } }
        end
      end
    end
  end

  def test_what_the_block_does_counts
    in_loop do
      reader, writer = keep(IO.pipe)
      writer.syswrite("one\ntwo\nthree\n")
      lines = []
      reader.read_loop(4) { |bytes| (lines << bytes) && lines << reader.gets && break }
      assert_equal %W[one\n two\n], lines
      assert_equal "three\n", reader.gets
      writer.syswrite("x")
      assert_raises(EOFError) { reader.read_loop { raise EOFError } }
    end
  end

  def test_feed_loop
    in_loop do
      reader, writer = keep(IO.pipe)
      writer << "abc"
      writer.close
      found = +""
      reader.feed_loop(found, :concat)
      assert_equal "abc", found
      feeder = Class.new { def each_letter(bytes, &) = bytes.each_char(&) }.new
      near, far = socket_pair
      near << "xyz"
      near.close
      letters = []
      assert_same far, far.feed_loop(feeder, :each_letter) { |letter| letters << letter }
      assert_equal %w[x y z], letters
      reader, writer = keep(IO.pipe)
      writer << "called"
      writer.close
      assert_equal "called", collect { |all| reader.feed_loop(->(bytes) { all << bytes }) }
    end
  end

  def test_splice_from_and_tee_from
    in_loop do
      source, feed = keep(IO.pipe)
      reader, writer = keep(IO.pipe)
      other_reader, other_writer = keep(IO.pipe)
      near, far = socket_pair
      feed.syswrite("through the kernel")
      assert_equal 7, other_writer.tee_from(source, 7)
      assert_equal 18, writer.splice_from(source, 100)
      assert_equal ["through the kernel", "through"], [reader, other_reader].map { |io| io.readpartial(100) }
      writer.sync = false
      writer << "before, "
      feed.syswrite("and behind")
      writer.splice_from(source, 100)
      assert_equal "before, and behind", reader.readpartial(100)
      feed.syswrite("to a socket")
      near.splice_from(source, 100)
      assert_equal "to a socket", far.recv(100)
      feed.close
      assert_equal 0, near.splice_from(source, 100)
      assert_raises(Errno::EINVAL) { near.tee_from(source, 1) }
      assert_raises(IOError) { near.tap(&:close).splice_from(source, 1) }
    end
  end

  def test_copy_to
    in_loop do
      Dir.mktmpdir do |folder|
        text = Random.new(5).bytes(100_000)
        File.binwrite("#{folder}/from", text)
        keep([File.open("#{folder}/from", "rb"), File.open("#{folder}/to", "w+b")]) => [from, to]
        from.read(3) # the rest of a block is in Ruby's own buffer
        to << text[0, 3]
        assert_equal 99_997, from.copy_to(to)
        assert_equal text, File.binread("#{folder}/to")
        from.rewind
        from.read(1)
        reader, writer = keep(IO.pipe)
        assert_equal 10, from.copy_to(writer, 10)
        assert_equal 3, from.copy_to(writer, 3)
        assert_equal text[1, 13], reader.readpartial(100)
        from.rewind # without what Ruby has buffered
        assert_equal 20, from.copy_to(writer, 20, 50_000)
        assert_equal text[50_000, 20], reader.readpartial(100)
      end
    end
  end

  def test_a_copy_that_is_cut_short_leaves_rubys_buffer
    in_loop do
      source, feed = keep(IO.pipe)
      reader, writer = keep(IO.pipe)
      feed.syswrite("a line\n#{'x' * 8000}")
      assert_equal "a line\n", source.gets
      fill(writer)
      reader.readpartial(4096) # so much of it goes out
      error = assert_raises(Rota::TimeoutError) { Rota.cancel_after(0.01) { source.copy_to(writer) } }
      assert_equal 4096, error.bytes_written
      reader.close
      assert_raises(Errno::EPIPE) { source.copy_to(writer) }
      feed.close
      assert_equal 3904, source.read.bytesize
    end
  end

  def test_a_copy_that_is_cut_short_tells_of_rubys_buffer
    in_loop do
      reader, writer = keep(IO.pipe)
      source, feed = keep(IO.pipe)
      feed.syswrite("a line\nbuffered")
      source.gets
      feed.syswrite(", behind it")
      error = assert_raises(Rota::TimeoutError) { Rota.cancel_after(0.01) { source.copy_to(writer) } }
      assert_equal [19, "buffered, behind it"], [error.bytes_written, reader.readpartial(100)]
    end
  end

  def test_recv_loop
    in_loop do
      near, far = socket_pair
      Rota.spin { 3.times { |i| Rota.loop.write(near, "piece #{i} ") && Rota.snooze } && near.close }
      assert_equal "piece 0 piece 1 piece 2 ", collect { |found| far.recv_loop(5) { |bytes| found << bytes } }
      receiver = keep([UDPSocket.new]).first.tap { |socket| socket.bind("127.0.0.1", 0) }
      sender = keep([UDPSocket.new]).first
      ["one", "", "three"].each { |text| sender.send(text, 0, receiver.local_address) }
      found = []
      receiver.recv_loop { |bytes| (found << bytes).size == 3 && break }
      assert_equal ["one", "", "three"], found
      far = socket_pair.tap { |ours, theirs| ours << "a\nb" && theirs.gets }.last
      assert_raises(IOError) { far.recv_loop { flunk } }
    end
  end

  def test_options
    client, server = tcp_pair
    assert_same client, client.no_delay.reuse_addr.reuse_port
    assert(%i[REUSEADDR REUSEPORT].all? { |name| client.getsockopt(:SOCKET, name).bool })
    assert client.getsockopt(:TCP, :NODELAY).bool
    assert_equal [true, 0], client.dont_linger.getsockopt(:SOCKET, :LINGER).linger
    client.close
    assert_raises(Errno::ECONNRESET) { server.read(1) }
    assert_raises(Errno::EOPNOTSUPP) { socket_pair.first.no_delay }
  end

  def test_accept_loop
    Dir.mktmpdir do |folder|
      servers = { TCPSocket => TCPServer.new("127.0.0.1", 0), UNIXSocket => UNIXServer.new("#{folder}/s"),
                  Socket => Socket.new(:INET, :STREAM).tap { |socket| socket.bind(Addrinfo.tcp("127.0.0.1", 0)) } }
      keep(servers.values).last.listen(5)
      servers.each do |kind, server|
        in_loop do
          taken = []
          accepting = Rota.spin { server.accept_loop { |*yielded| taken << yielded } }
          clients = keep(Array.new(3) { server.local_address.connect })
          Rota.sleep(0.001) until taken.size == 3
          assert_equal [kind] * 3, taken.map(&:first).map(&:class)
          assert_equal clients.map { |client| client.local_address.ip_port }, ports_of(taken) if kind == Socket
          taken.map(&:first).each { |socket| (socket << "hello") && socket.close }
          assert_equal ["hello"] * 3, clients.map(&:read)
          accepting.terminate.await
        end
      end
    end
  end

  def test_accept_loop_ends_with_its_server
    in_loop do
      server = keep([TCPServer.new("127.0.0.1", 0)]).first
      task = Rota.spin { caught(IOError) { server.accept_loop { flunk } } }
      Rota.snooze
      Rota.loop.close(server)
      assert_equal "stream closed in another thread", task.await.message
      assert_raises(IOError) { server.accept_loop { flunk } }
      server = keep([TCPServer.new("127.0.0.1", 0)]).first
      client = keep([TCPSocket.new("127.0.0.1", server.addr[1])]).first
      assert_equal(:out, server.accept_loop { |socket| break socket.close || :out })
      assert_nil client.read(1)
    end
  end

  def test_a_loop_that_is_cancelled_loses_nothing
    in_loop do
      near, far = socket_pair
      found = +""
      20.times do |i|
        near << "#{i} "
        Rota.move_on_after(0.0005) { far.public_send(%i[read_loop recv_loop][i % 2]) { |bytes| found << bytes } }
      end
      assert_equal 20.times.map { |i| "#{i} " }.join, found
    end
  end

  def test_closing_wakes_who_waits
    in_loop do
      near, far = socket_pair
      tasks = [Rota.spin { caught(IOError) { near.read_loop { flunk } } },
               Rota.spin { caught(IOError) { near.recv_loop { flunk } } }]
      Rota.snooze
      Rota.loop.close(near)
      assert_equal ["stream closed in another thread"] * 2, tasks.map(&:await).map(&:message)
      assert_raises(IOError) { near.read_loop { flunk } }
      far.close
    end
  end

  # From Ruby 4.0 on IO#close asks the scheduler.
  def test_closing_by_ruby_wakes_who_waits
    skip "before Ruby 4.0 IO#close tells nobody" if RUBY_VERSION < "4.0"
    in_loop do
      near, = socket_pair
      tasks = %i[read_loop recv_loop].map { |name| Rota.spin { caught(IOError) { near.public_send(name) { flunk } } } }
      Rota.snooze
      near.close
      assert_equal [IOError] * 2, tasks.map(&:await).map(&:class)
    end
  end

  def test_a_stream_has_the_timeout_of_its_io
    in_loop do
      reader, = keep(IO.pipe)
      skip "an IO has no timeout before Ruby 3.2" unless reader.respond_to?(:timeout=)
      reader.timeout = 0.01
      assert_in_delta 0.01, reader.stream.timeout
      assert_raises(Rota::TimeoutError) { reader.stream.read(1) }
    end
  end

  # It waits until what the IO had buffered is written.
  def test_two_tasks_ask_for_the_same_stream
    in_loop do
      reader, writer = keep(IO.pipe)
      full = fill(writer)
      writer.write("the end")
      tasks = Array.new(2) { Rota.spin { writer.stream } }
      Rota.snooze
      found = reader.readpartial(8192) until found&.end_with?("the end")
      assert_same(*tasks.map(&:await))
      assert_operator full, :positive?
      writer.stream.close
    end
  end

  # Before Ruby 4.0 a plain close tells nobody, and another socket has the number then.
  def test_accept_loop_takes_no_connection_of_another_server
    in_loop do
      server = TCPServer.new("127.0.0.1", 0)
      number = server.fileno
      task = Rota.spin { caught(IOError) { server.accept_loop { flunk } } }
      Rota.sleep(0.005)
      server.close
      other, = keep([TCPServer.new("127.0.0.1", 0)])
      assert_equal number, other.fileno
      assert_equal "stream closed in another thread", task.await(5).message
      keep([TCPSocket.new("127.0.0.1", other.addr[1])])
      keep([other.accept])
    end
  end

  # The address of a client that has reset its connection is not known any more.
  def test_accept_loop_passes_over_a_client_that_is_gone
    in_loop do
      server, = keep([Addrinfo.tcp("127.0.0.1", 0).listen])
      server.local_address.connect(&:dont_linger)
      client, = keep([server.local_address.connect])
      _, address = Rota.cancel_after(5) { server.accept_loop { |*taken| break taken } }
      assert_equal client.local_address.ip_port, address.ip_port
    end
  end

  def test_arguments
    near, = socket_pair
    reader, = keep(IO.pipe)
    assert_raises(LocalJumpError) { reader.read_loop }
    assert_raises(LocalJumpError) { near.recv_loop }
    assert_raises(ArgumentError) { reader.read_loop(0) { flunk } }
    assert_raises(ArgumentError) { near.recv_loop(-1) { flunk } }
    assert_raises(TypeError) { reader.read_loop("1") { flunk } }
  end

  # A name that a class has already stays what it is.
  def test_nothing_is_replaced
    out, errors, status = run_ruby(<<~RUBY)
      require "socket"
      class IO
        def read_loop = :mine
        private def feed_loop = :mine_too
      end
      class BasicSocket
        def no_delay = :also_mine
      end
      require "rota"
      near, = UNIXSocket.pair
      p near.read_loop, near.__send__(:feed_loop), near.no_delay, near.respond_to?(:recv_loop)
      p (IO.instance_methods(false) + BasicSocket.instance_methods(false)).grep(/loop|delay/)
    RUBY
    assert_predicate status, :success?, errors
    assert_equal ":mine\n:mine_too\n:also_mine\ntrue\n[:read_loop, :no_delay]\n", out
  end

  private

  def in_loop = Rota.run { yield.tap { Rota.snooze } }

  # => how many bytes a pipe took
  def fill(writer)
    writer.sync = false
    bytes = 0
    while (taken = writer.write_nonblock("x" * 4096, exception: false)).is_a?(Integer)
      bytes += taken
    end
    bytes
  end

  def collect(&) = (+"").b.tap(&)

  def ports_of(taken) = taken.map { |_, address| address.ip_port }
end
