# frozen_string_literal: true

# also under: valgrind

require_relative "../test_helper"
require "tempfile"
require_relative "../support/transports"

# The methods of a stream one by one, beside what the differential test compares with IO.
class StreamMethodsTest < RotaTest
  # -- Rota's own

  def test_read_until
    with_pair do |stream, peer|
      peer.write("HTTP/1.1 200\r\nA: b\r\n\r\nbody")
      assert_equal "HTTP/1.1 200\r\nA: b\r\n\r\n", stream.read_until("\r\n\r\n", limit: 1000)
      assert_equal Encoding::BINARY, stream.read_until("o").encoding
      task = Rota.spin { stream.read_until("=====") }
      "dy=====y=====".each_char { |byte| peer.write(byte) && Rota.snooze }
      assert_equal "dydy=====", task.await
      peer.close
      assert_raises(EOFError) { stream.read_until("?") }
      assert_equal "y=====", stream.read
    end
  end

  def test_the_limit_of_read_until
    with_pair do |stream, peer|
      peer.write("abcdef;")
      assert_match(/first 3 bytes/, assert_raises(IOError) { stream.read_until(";", limit: 3) }.message)
      assert_raises(IOError) { stream.read_until(";", limit: 6) }
      assert_equal "abcdef;", stream.read_until(";", limit: 7)
      assert_raises(ArgumentError) { stream.read_until("") }
      assert_raises(ArgumentError) { stream.read_until(";", limit: -1) }
      assert_raises(ArgumentError) { stream.read_until(";", limits: 1) }
      assert_raises(TypeError) { stream.read_until(1) }
    end
  end

  def test_peek_takes_nothing
    with_pair do |stream, peer|
      peer.write("abc")
      assert_equal %w[ab abc a], [stream.peek(2), stream.peek(3), stream.peek(1)]
      assert_equal "", stream.peek(0)
      task = Rota.spin { stream.peek(5) }
      Rota.snooze
      peer.write("d")
      peer.close
      assert_equal "abcd", task.await
      assert_equal "abcd", stream.read
      assert_nil stream.peek(1)
    end
  end

  def test_skip
    with_pair do |stream, peer|
      writing = Rota.spin { Rota.loop.write(peer, "x" * 2_000_000, "rest") && peer.close }
      assert_equal 0, stream.skip(0)
      assert_equal 2_000_000, stream.skip(2_000_000)
      assert_equal 3, stream.skip(3)
      writing.await
      assert_equal 1, stream.skip(10)
      assert_equal 0, stream.skip(10)
    end
  end

  def test_an_interrupted_skip_says_how_far_it_came
    with_pair do |stream, peer|
      peer.write("abcde")
      stream.peek(5)
      task = Rota.spin { caught(IndexError) { stream.skip(10) } }
      Rota.snooze until task.state == :waiting
      task.raise(IndexError)
      assert_equal 5, task.await.bytes_skipped
      stream.timeout = 0.001
      refute_respond_to assert_raises(Rota::TimeoutError) { stream.skip(10) }, :bytes_skipped
    end
  end

  def test_feed_loop
    with_pair do |stream, peer|
      peer.write("abc")
      peer.close
      found = +""
      assert_same stream, stream.feed_loop(found, :<<)
      assert_equal "abc", found
      assert_same stream, stream.feed_loop(-> { flunk })
      stream.ungetbyte("a")
      stream.feed_loop(->(bytes, &block) { block.call(bytes) }) { |bytes| assert_equal "a", bytes }
    end
  end

  # -- without waiting

  def test_read_nonblock
    with_pair do |stream, peer|
      assert_raises(IO::EAGAINWaitReadable) { stream.read_nonblock(5) }
      assert_equal :wait_readable, stream.read_nonblock(5, exception: false)
      peer.write("abc")
      buffer = +"before"
      assert_same buffer, stream.read_nonblock(2, buffer)
      assert_equal "ab", buffer
      peer.close
      assert_equal "c", stream.read_nonblock(5)
      assert_nil stream.read_nonblock(5, exception: false)
      assert_raises(EOFError) { stream.read_nonblock(5) }
    end
  end

  def test_read_nonblock_beside_a_reader
    with_pair do |stream, peer|
      reading = Rota.spin { stream.gets }
      Rota.snooze until reading.state == :waiting
      peer.write("mine\nyours")
      assert_equal :wait_readable, stream.read_nonblock(5, exception: false)
      assert_equal "mine\n", reading.await
      assert_equal "yours", stream.read_nonblock(5)
    end
  end

  def test_write_nonblock
    with_pair do |stream, peer|
      assert_equal 3, stream.write_nonblock("abc")
      assert_equal 2, stream.write_nonblock(12)
      assert_equal "abc12", peer.readpartial(10)
      sent = 0
      while (count = stream.write_nonblock("x" * 100_000, exception: false)) != :wait_writable
        sent += count
      end
      assert_raises(IO::EAGAINWaitWritable) { stream.write_nonblock("x") }
      assert_nil stream.wait_writable(0.001)
      waiting = Rota.spin { stream.wait_writable }
      sent -= Rota.loop.read(peer, 100_000).bytesize while sent.positive?
      assert_same stream, waiting.await
      peer.close
      assert_raises(Errno::EPIPE) { stream.write_nonblock("x") }
    end
  end

  def test_write_nonblock_behind_a_writer
    with_pair do |stream, peer|
      writing = Rota.spin { stream.write("x" * 1_000_000) }
      Rota.snooze until writing.state == :waiting
      assert_equal :wait_writable, stream.write_nonblock("y", exception: false)
      left = 1_000_000
      left -= Rota.loop.read(peer, 100_000).bytesize while left.positive?
      writing.await
      assert_equal 1, stream.write_nonblock("y")
    end
  end

  def test_write_nonblock_to_files
    Rota.run do
      file = Tempfile.create("rota").tap { |io| File.unlink(io.path) }
      stream = Rota::Stream.for_fd(file.dup.tap { |io| io.autoclose = false }.fileno)
      assert_equal 3, stream.write_nonblock("abc")
      assert_equal "abc", file.pread(10, 0)
      [stream, file].each(&:close)
    end
  end

  def test_wait_readable
    with_pair do |stream, peer|
      assert_nil stream.wait_readable(0)
      assert_nil stream.wait_readable(0.001)
      waiting = Rota.spin { stream.wait_readable }
      Rota.snooze
      peer.write("x")
      assert_same stream, waiting.await
      assert_same stream, stream.wait_readable(0)
      assert_equal "x", stream.read(1)
      peer.close
      assert_same stream, stream.wait_readable
      assert_raises(TypeError) { stream.wait_readable("1") }
    end
  end

  def test_without_time_they_say_what_is_ready
    with_pair do |stream, peer|
      assert_same stream, stream.wait_writable(0)
      peer.write("x")
      assert_same stream, stream.wait_readable(0)
      assert_same stream, stream.wait_readable(-1)
      assert_equal "x", stream.read(1)
      assert_nil stream.wait_readable(0)
      nil until stream.write_nonblock("x" * 100_000, exception: false) == :wait_writable
      assert_nil stream.wait_writable(0)
      peer.close
      assert_same stream, stream.wait_readable(0)
    end
  end

  # What is wrong is told to who reads.
  def test_wait_readable_of_a_reset
    Rota.run do
      near, far = Transports.tcp("127.0.0.1")
      stream = Transports.stream(near)
      waiting = Rota.spin { stream.wait_readable }
      Rota.snooze
      far.setsockopt(Socket::Option.linger(true, 0))
      far.close
      assert_same stream, waiting.await
      assert_raises(Errno::ECONNRESET) { stream.read(1) }
      stream.close
    end
  end

  def test_wait_readable_behind_a_reader
    with_pair do |stream, peer|
      reading = Rota.spin { stream.gets }
      Rota.snooze
      assert_nil stream.wait_readable(0.001)
      peer.write("line\nmore")
      assert_same stream, stream.wait_readable
      assert_equal "line\n", reading.await
    end
  end

  def test_close_wakes_who_waits_for_readiness
    with_pair do |stream, _peer|
      nil until stream.write_nonblock("x" * 100_000, exception: false) == :wait_writable
      tasks = %i[wait_readable wait_writable].map do |name|
        Rota.spin { assert_raises(IOError) { stream.public_send(name) } }
      end
      Rota.sleep(0.001)
      stream.close
      tasks.each { |task| assert_equal "stream closed in another thread", task.await.message }
    end
  end

  # -- writing as IO writes

  OBJECTS = ["a", "b\n", "", :sym, 12, nil, [], [[1, ["x\n"]], []], "é", "é".encode("ISO-8859-1"), 1.5].freeze

  WRITES = [
    *OBJECTS.flat_map { |object| %i[puts print write << putc].map { |name| [name, object] } },
    [:puts], [:puts, *OBJECTS], [:puts, OBJECTS], [:print], [:print, *OBJECTS], [:write], [:write, *OBJECTS],
    [:printf], [:printf, "%05d|%s\n", 3, "é"], [:printf, "%d", "x"], [:putc, 321], [:putc, -1], [:putc, 65.7],
    [:putc, "日本"]
  ].freeze

  ENCODINGS = [[], [:binmode], [:set_encoding, "ISO-8859-1"], [:set_encoding, "UTF-16LE"],
               [:set_encoding, "EUC-JP:UTF-8"], [:set_encoding, "UTF-8", { crlf_newline: true }]].freeze

  def test_what_is_written_is_what_io_writes
    ENCODINGS.product(WRITES) do |set_up, write|
      expected = written { |io| io }.call(set_up, write)
      ours = Rota.run { written { |io| Transports.stream(io) }.call(set_up, write) }
      assert_equal expected, ours, [set_up, write].inspect
    end
  end

  def test_a_call_is_one_write
    with_pair do |stream, peer|
      tasks = Array.new(5) { |i| Rota.spin { 20.times { stream.puts(["#{i}#{i}", ["#{i}#{i}#{i}"]]) && Rota.snooze } } }
      tasks.each(&:await)
      stream.close
      peer.read.each_line.each_slice(2) { |two, three| assert_equal two[0] * 3, three.chomp }
    end
  end

  def test_as_standard_output
    with_pair do |stream, peer|
      before, $stdout = $stdout, stream
      puts "hello"
      print "a", 1
      $stdout = before
      assert_equal "hello\na1", peer.readpartial(100)
    ensure
      $stdout = before
    end
  end

  # -- a peer that resets

  WAITING = { gets: [], readline: [], readlines: [], read: [], read_exactly: [100], read_until: ["\n"], peek: [100],
              skip: [100] }.freeze

  def test_a_reset_in_the_middle
    WAITING.each do |name, arguments|
      Rota.run do
        near, far = Transports.tcp("127.0.0.1")
        stream = Transports.stream(near)
        far.write("half")
        stream.peek(4)
        task = Rota.spin { caught(Errno::ECONNRESET) { stream.public_send(name, *arguments) } }
        Rota.snooze until task.state == :waiting
        far.setsockopt(Socket::Option.linger(true, 0))
        far.close
        assert_instance_of Errno::ECONNRESET, task.await, name
        assert_equal name == :skip ? "" : "half", stream.read, name
        assert_raises(SystemCallError) { 10.times { stream.write("x") } }
        stream.close
      end
    end
  end

  # -- modes

  def test_a_stream_that_is_only_read_or_written
    Rota.run do
      reader, writer = IO.pipe.map { |io| Transports.stream(io) }
      [-> { reader.write("x") }, -> { reader.write }, -> { reader.puts([]) }, -> { reader.write_nonblock("x") },
       -> { reader.wait_writable }].each do |call|
        assert_equal "not opened for writing", assert_raises(IOError, &call).message
      end
      [-> { writer.read(1) }, -> { writer.gets }, -> { writer.getc }, -> { writer.each_byte { flunk } },
       -> { writer.ungetc("x") }, -> { writer.eof? }, -> { writer.wait_readable }].each do |call|
        assert_equal "not opened for reading", assert_raises(IOError, &call).message
      end
      [reader, writer].each(&:close)
    end
  end

  def test_close_read
    with_pair do |stream, peer|
      peer.write("unread")
      reading = Rota.spin { stream.read(100) }
      Rota.sleep(0.001)
      assert_nil stream.close_read
      assert_equal "unread", reading.await
      assert_raises(IOError) { stream.read(1) }
      assert_equal 3, stream.write("abc")
      assert_nil stream.close_write
      assert_predicate stream, :closed?
      assert_equal "abc", peer.read
    end
  end

  # -- io.stream

  def test_the_stream_of_an_io
    Rota.run do
      near, far = UNIXSocket.pair
      far.write("one\ntwo\nthree")
      assert_equal "one\n", near.gets
      near.ungetbyte(65)
      stream = near.stream
      assert_same stream, near.stream
      assert_same near, stream.to_io
      assert_equal ["Atwo\n".b, Encoding::BINARY], stream.gets.then { |line| [line, line.encoding] }
      assert_equal "three", stream.readpartial(100)
      stream.close
      assert_predicate near, :closed?
      assert_equal "", far.read
      assert_raises(IOError) { near.stream }
      far.close
    end
  end

  def test_the_stream_of_an_io_has_its_encodings
    Rota.run do
      reader, writer = IO.pipe("ISO-8859-1:UTF-8")
      writer.sync = false
      writer.write("\xE9x".b)
      stream = writer.stream
      stream.write("\n")
      stream.close
      stream = reader.stream
      assert_equal [Encoding::ISO_8859_1, Encoding::UTF_8], [stream.external_encoding, stream.internal_encoding]
      assert_equal "éx\n", stream.gets
      stream.close
    end
  end

  # The IO may go, the descriptor is the stream's.
  def test_the_stream_of_an_io_that_is_forgotten
    Rota.run do
      streams = Array.new(20) { UNIXSocket.pair.map(&:stream) }
      GC.start
      streams.each { |near, far| far.write("x") && assert_equal("x", near.read(1)) }
      streams.flatten.each(&:close)
    end
  end

  # -- close

  # Whoever closes and then does something that blocks the thread must not keep the peer waiting.
  def test_close_is_seen_at_once
    steps = {
      fresh: ->(_stream, _peer) {},
      armed: ->(stream, _peer) { stream.read_nonblock(1, exception: false) },
      with_slot: ->(stream, peer) { 20.times { stream << "x" } && peer.readpartial(100) },
      with_both: ->(stream, peer) { steps.values.first(3).each { |step| step.call(stream, peer) } },
      unread: ->(stream, peer) { peer.write("x") && stream.eof? }
    }
    steps.each do |name, step|
      with_pair do |stream, peer|
        step.call(stream, peer)
        stream.close
        assert_nil ended(peer), name
      end
    end
  end

  def test_close_is_seen_at_once_also_when_others_wait
    with_pair do |stream, peer|
      tasks = [-> { stream.gets }, -> { stream.write("x" * 3_000_000) }, -> { stream.wait_writable }].map do |call|
        Rota.spin { assert_raises(IOError, &call) }
      end
      Rota.sleep(0.001)
      stream.close
      nil while peer.read_nonblock(1_000_000, exception: false).is_a?(String)
      assert_nil ended(peer)
      tasks.each(&:await)
    end
  end

  # -- encodings

  def test_a_converted_line_that_is_cut_off_by_a_timeout
    with_pair do |stream, peer|
      stream.set_encoding("UTF-16LE:UTF-8")
      stream.timeout = 0.001
      "bé日".encode("UTF-16LE").b.each_char do |byte|
        peer.write(byte)
        assert_raises(Rota::TimeoutError) { stream.gets }
      end
      assert_raises(IOError) { stream.getbyte }
      peer.write("\n\0x\0".b)
      assert_equal "bé日\n", stream.gets
      assert_equal [120, 0], [stream.getbyte, stream.getbyte]
    end
  end

  def test_an_encoding_that_changes_while_a_string_is_converted
    written = lambda do |io|
      io.set_encoding("UTF-16LE:UTF-8", fallback: ->(_) { io.set_encoding("UTF-8") && "?" })
      [io.write("x\x81".dup.force_encoding("Windows-1252")), io.write("é")]
    end
    reader, writer = IO.pipe
    expected = [written.call(writer), reader.readpartial(100).b]
    [reader, writer].each(&:close)
    with_pair { |stream, peer| assert_equal expected, [written.call(stream), peer.readpartial(100).b] }
  end

  def test_an_encoding_while_somebody_reads
    with_pair do |stream, peer|
      reading = Rota.spin { stream.gets }
      changing = Rota.spin { stream.set_encoding("ISO-8859-1:UTF-8") }
      Rota.snooze until changing.state == :waiting
      peer.write("\xE9\n\xE9\n".b)
      assert_equal "\xE9\n", reading.await
      changing.await
      assert_equal "é\n", stream.gets
    end
  end

  def test_pushed_back_while_somebody_reads
    with_pair do |stream, peer|
      reading = Rota.spin { stream.gets }
      pushing = [-> { stream.ungetbyte("ab") }, -> { stream.ungetc("c") }].map { |call| Rota.spin(&call) }
      Rota.snooze until pushing.all? { |task| task.state == :waiting }
      peer.write("line\nd")
      assert_equal "line\n", reading.await
      pushing.each(&:await)
      assert_equal "cabd", stream.read(4)
    end
  end

  # Who took bytes and is interrupted can give them back.
  def test_pushing_back_is_no_switchpoint
    with_pair do |stream, peer|
      peer.write("abc")
      bytes = stream.readpartial(2)
      late = Rota.move_on_after(0, with_value: :late) do
        stream.ungetbyte(bytes)
        stream.ungetc("0")
        stream.set_encoding("BINARY")
        stream.getc
      end
      assert_equal :late, late
      assert_equal ["0abc", Encoding::BINARY], [stream.gets("c"), stream.external_encoding]
    end
  end

  # Ruby shares the memory of Strings; what is read into one must not show in the other.
  def test_a_buffer_that_was_shared_while_the_read_waited
    with_pair do |stream, peer|
      buffer = "b" * 100
      reading = Rota.spin { stream.read(100, buffer) }
      Rota.snooze
      copy = buffer.dup
      assert_predicate buffer, :valid_encoding?
      peer.write("\xFF" * 100)
      assert_same buffer, reading.await
      assert_equal "b" * 100, copy
      refute_predicate buffer, :valid_encoding?
    end
  end

  def test_many_bytes_pushed_back
    with_pair do |stream, peer|
      peer.write("end")
      10_000.times { |i| stream.ungetbyte(i) }
      assert_equal Array.new(10_000) { |i| (9999 - i) & 255 }, stream.read(10_000).bytes
      assert_equal "end", stream.read(3)
    end
  end

  private

  def with_pair
    Rota.run do
      ours, theirs = UNIXSocket.pair
      stream = Transports.stream(ours)
      yield stream, theirs
    ensure
      stream&.close
      theirs.close unless theirs.closed?
    end
  end

  # nil: the peer sees the end. Without the loop's help.
  def ended(peer) = peer.recv_nonblock(1, exception: false).then { |bytes| bytes unless bytes == "" }

  # A function that performs a call on one end of a pipe => what it gave, and what came out of the other
  def written
    lambda do |set_up, (name, *arguments)|
      reader, writer = IO.pipe
      reader.binmode
      io = yield writer
      method, *rest = set_up
      options = rest.last.is_a?(Hash) ? rest.pop : {}
      io.public_send(method, *rest, **options) if method
      answer = caught(StandardError) { io.public_send(name, *arguments) }
      answer = [answer.class, answer.message] if answer.is_a?(Exception)
      answer = :itself if answer.equal?(io)
      io.close
      [answer, reader.read]
    ensure
      reader.close
    end
  end
end
