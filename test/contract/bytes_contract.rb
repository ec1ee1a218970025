# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"

# What holds for bytes whatever they travel over and whoever moves them. A class that includes this
# has `transport` and `options`.
module BytesContract
  LONG = Random.new(1).bytes(700_001).freeze
  # More than any pair of ends holds by itself.
  HUGE = (LONG * 20).freeze

  private

  def in_loop
    Rota.run(**options) { yield.tap { Rota.snooze } }
  end

  # Yields two streams; closes them.
  def with_streams
    in_loop do
      reader, writer = transport.streams
      yield reader, writer
    ensure
      [reader, writer].each { |stream| stream&.close }
    end
  end

  # Yields two of Ruby's own ends, for the loop's verbs.
  def with_ends
    in_loop do
      reader, writer = transport.ends
      yield Rota.loop, reader, writer
    ensure
      [reader, writer].each { |io| io&.close }
    end
  end

  # A failure says where, not what: nobody reads half a megabyte.
  def assert_same_bytes(expected, actual)
    return pass if expected == actual

    place = (0...[expected.bytesize, actual.bytesize].min).find { |i| expected.getbyte(i) != actual.getbyte(i) }
    flunk "#{actual.bytesize} bytes instead of #{expected.bytesize}, different from #{place.inspect} on"
  end

  # Until a task waits: what it does next is caused by what the test does next.
  def let_wait(*tasks)
    Rota.snooze until tasks.all? { |task| task.state == :waiting || task.dead? }
    Rota.sleep(0.002)
  end

  def read_all(stream)
    found = +"".b
    stream.read_loop { |bytes| found << bytes }
    found
  end
end

# The loop's verbs on Ruby's own objects.
module VerbsContract
  include BytesContract

  def test_read_gives_what_one_transfer_brings
    with_ends do |loop, reader, writer|
      writer.write("hello")
      bytes = loop.read(reader, 100)
      assert_equal ["hello", Encoding::BINARY], [bytes, bytes.encoding]
      writer.write("more")
      assert_equal "mo", loop.read(reader, 2)
      assert_equal "re", loop.read(reader, 2)
    end
  end

  def test_read_waits
    with_ends do |loop, reader, writer|
      task = Rota.spin { loop.read(reader, 100) }
      let_wait(task)
      writer.write("late")
      assert_equal "late", task.await
    end
  end

  def test_read_is_nil_at_the_end
    with_ends do |loop, reader, writer|
      writer.write("x")
      writer.close
      assert_equal "x", loop.read(reader, 10)
      assert_nil loop.read(reader, 10)
      assert_nil loop.read(reader, 10)
      assert_nil loop.read(reader, 10, +"")
    end
  end

  def test_read_of_nothing
    with_ends do |loop, reader, writer|
      writer.write("x")
      assert_equal "", loop.read(reader, 0)
      assert_equal 0, loop.read(reader, 0, +"ab", -1)
      assert_equal "x", loop.read(reader, 1)
    end
  end

  def test_read_into_a_string
    with_ends do |loop, reader, writer|
      buffer = +"0123456789"
      { 0 => "abc", 3 => "012abc", 10 => "0123456789abc", -1 => "0123456789abc" }.each do |position, expected|
        writer.write("abc")
        buffer.replace("0123456789")
        assert_equal 3, loop.read(reader, 100, buffer, position)
        assert_equal expected, buffer
      end
    end
  end

  def test_read_into_a_buffer
    with_ends do |loop, reader, writer|
      buffer = IO::Buffer.new(8)
      writer.write("abcdefghij")
      assert_equal 5, loop.read(reader, 100, buffer, 3)
      assert_equal "\0\0\0abcde", buffer.get_string
      assert_equal 5, loop.read(reader, 100, buffer)
      assert_equal "fghijcde", buffer.get_string
      refute_predicate buffer, :locked?
    end
  end

  def test_write_writes_all
    with_ends do |loop, reader, writer|
      task = Rota.spin { loop.write(writer, LONG).tap { writer.close } }
      found = +"".b
      while (bytes = loop.read(reader, 50_000))
        found << bytes
      end
      assert_equal LONG.bytesize, task.await
      assert_same_bytes LONG, found
    end
  end

  def test_write_joins_its_arguments
    with_ends do |loop, reader, writer|
      assert_equal 8, loop.write(writer, "ab", :cd, 12, IO::Buffer.for(+"xy"))
      assert_equal "abcd12xy", loop.read(reader, 100)
      assert_equal 0, loop.write(writer, "")
      assert_equal 1, loop.write_some(writer, "z")
      assert_equal "z", loop.read(reader, 100)
    end
  end

  def test_a_cancelled_read_takes_nothing
    with_ends do |loop, reader, writer|
      buffer = +"before"
      assert_equal :late, Rota.move_on_after(0.002, with_value: :late) { loop.read(reader, 10, buffer) }
      assert_equal "before", buffer
      buffer << " and after" # not locked any more
      writer.write("bytes")
      assert_equal "bytes", loop.read(reader, 10)
    end
  end

  def test_a_cancelled_write_says_how_much_went_out
    with_ends do |loop, reader, writer|
      error = assert_raises(Rota::TimeoutError) { Rota.cancel_after(0.01) { loop.write(writer, HUGE) } }
      written = error.respond_to?(:bytes_written) ? error.bytes_written : 0
      Rota.spin { writer.close }
      found = 0
      while (bytes = loop.read(reader, 1_000_000))
        found += bytes.bytesize
      end
      assert_equal found, written
    end
  end

  def test_close_wakes_who_reads
    with_ends do |loop, reader, _writer|
      tasks = Array.new(2) { Rota.spin { assert_raises(IOError) { loop.read(reader, 10) } } }
      let_wait(*tasks)
      assert_nil loop.close(reader)
      tasks.each { |task| assert_match(/closed/, task.await.message) }
      assert_predicate reader, :closed?
      assert_raises(IOError) { loop.read(reader, 10) }
    end
  end

  def test_close_wakes_who_writes
    with_ends do |loop, reader, writer|
      task = Rota.spin { assert_raises(IOError) { loop.write(writer, HUGE) } }
      let_wait(task)
      loop.read(reader, 1) # by now the writer has begun, however slow the machine is
      loop.close(writer)
      assert_match(/closed/, task.await.message)
      assert_operator task.await.bytes_written, :>, 0
      assert_predicate writer, :closed?
    end
  end

  def test_others_run_while_a_read_waits
    with_ends do |loop, reader, writer|
      ticks = 0
      ticker = Rota.spin { 10.times { Rota.sleep(0.001) && (ticks += 1) } && writer.write("x") }
      assert_equal "x", loop.read(reader, 1)
      assert_equal 10, ticks
      ticker.await
    end
  end

  def test_poll
    with_ends do |loop, reader, writer|
      assert_equal IO::WRITABLE, loop.poll(writer, IO::WRITABLE)
      task = Rota.spin { loop.poll(reader, IO::READABLE) }
      let_wait(task)
      writer.write("x")
      assert_equal IO::READABLE, task.await
      assert_equal "x", loop.read(reader, 1)
    end
  end
end

# Sockets have their own verbs beside these.
module SocketVerbsContract
  include BytesContract

  def test_recv_and_send
    with_ends do |loop, reader, writer|
      assert_equal 5, loop.send_bytes(writer, "hello")
      assert_equal "hel", loop.recv(reader, 10, nil, Socket::MSG_PEEK)[0, 3]
      assert_equal "he", loop.recv(reader, 2)
      buffer = +"__"
      assert_equal 3, loop.recv(reader, 10, buffer)
      assert_equal "llo", buffer
    end
  end

  def test_recv_each_gives_everything_up_to_the_end
    with_ends do |loop, reader, writer|
      task = Rota.spin { loop.write(writer, LONG).tap { writer.close } }
      found = +"".b
      assert_same loop, loop.recv_each(reader) { |bytes| found << bytes }
      assert_same_bytes LONG, found
      task.await
    end
  end

  def test_what_recv_each_leaves_goes_to_the_next_reader
    with_ends do |loop, reader, writer|
      found = +"".b
      writing = Rota.spin { loop.write(writer, LONG).tap { writer.close } }
      rounds = 0
      until found.bytesize >= LONG.bytesize
        loop.recv_each(reader) { |bytes| break found << bytes }
        found << loop.read(reader, 1000).to_s if (rounds += 1).even?
        Rota.snooze
      end
      assert_same_bytes LONG, found
      writing.await
    end
  end

  def test_an_interrupted_recv_each_loses_nothing
    with_ends do |loop, reader, writer|
      writing = Rota.spin do
        100.times { |i| loop.write(writer, LONG.byteslice(i * 100, 100)) && Rota.snooze }
        writer.close
      end
      found = +"".b
      count = 0
      begin
        loop.recv_each(reader) { |bytes| (found << bytes) && ((count += 1) % 7).zero? && raise(IndexError) }
      rescue IndexError
        retry
      end
      assert_same_bytes LONG.byteslice(0, 10_000), found
      writing.await
    end
  end

  def test_the_end_of_recv_each_by_reset
    return pass if transport.name == :unix # has no reset of its own

    with_ends do |loop, reader, writer|
      writer.setsockopt(Socket::Option.linger(true, 0))
      writer.close
      error = assert_raises(Errno::ECONNRESET) { loop.recv_each(reader) { flunk } }
      assert_match(/recv/, error.message)
    end
  end
end

# Streams.
module StreamContract
  include BytesContract

  def test_read_collects
    with_streams do |reader, writer|
      task = Rota.spin { %w[ab cd ef].each { |part| writer.write(part) && Rota.sleep(0.001) } }
      assert_equal "abcde", reader.read(5)
      assert_equal "f", reader.readpartial(10)
      task.await
    end
  end

  def test_the_end
    with_streams do |reader, writer|
      writer.write("abc")
      writer.close
      refute_predicate reader, :eof?
      assert_equal "abc", reader.read(10)
      assert_nil reader.read(10)
      assert_equal "", reader.read
      assert_nil reader.gets
      assert_raises(EOFError) { reader.readpartial(1) }
      assert_raises(EOFError) { reader.readline }
      assert_raises(EOFError) { reader.read_exactly(1) }
      assert_predicate reader, :eof?
      assert_same(reader, reader.read_loop { flunk })
    end
  end

  def test_read_exactly_or_nothing
    with_streams do |reader, writer|
      writer << "abcdef"
      assert_equal "abcd", reader.read_exactly(4)
      assert_equal "", reader.read_exactly(0)
      writer.close
      assert_raises(EOFError) { reader.read_exactly(3) }
      assert_equal "ef", reader.read
    end
  end

  def test_lines_and_bytes_by_turns
    with_streams do |reader, writer|
      writer << "one\n" << "xyztwo\n" << "three"
      assert_equal "one\n", reader.gets
      assert_equal "xyz", reader.read(3)
      assert_equal "two", reader.gets(chomp: true)
      writer.close
      assert_equal ["three"], reader.each_line.to_a
    end
  end

  def test_everything_arrives
    with_streams do |reader, writer|
      task = Rota.spin { writer.write(LONG).tap { writer.close } }
      assert_same_bytes LONG, read_all(reader)
      assert_equal LONG.bytesize, task.await
    end
  end

  def test_read_to_the_end
    with_streams do |reader, writer|
      task = Rota.spin { writer.write(LONG).tap { writer.close } }
      assert_same_bytes LONG, reader.read.b
      task.await
    end
  end

  def test_a_timeout_leaves_the_bytes
    with_streams do |reader, writer|
      reader.timeout = 0.005
      assert_in_delta 0.005, reader.timeout
      writer << "part"
      assert_raises(Rota::TimeoutError) { reader.read(10) }
      assert_raises(Rota::TimeoutError) { reader.gets }
      assert_equal "part", reader.readpartial(100)
      assert_raises(Rota::TimeoutError) { reader.eof? }
      reader.timeout = nil
      writer << "more"
      assert_equal "more", reader.read(4)
    end
  end

  def test_a_timeout_of_a_write
    with_streams do |reader, writer|
      writer.timeout = 0.01
      error = assert_raises(Rota::TimeoutError) { writer.write(HUGE) }
      written = error.bytes_written
      Rota.spin { writer.close }
      assert_equal written, read_all(reader).bytesize
    end
  end

  def test_cancelled_reads_keep_every_byte
    random = Random.new(7)
    with_streams do |reader, writer|
      task = Rota.spin { feed(writer, random) }
      found = +"".b
      ended = false
      until ended
        Rota.move_on_after(random.rand(0.0004)) do
          case random.rand(3)
          when 0 then found << reader.readpartial(random.rand(1..5000))
          when 1 then (bytes = reader.read(random.rand(1..9000))) ? found << bytes : ended = true
          else (line = reader.gets) ? found << line.b : ended = true
          end
        rescue EOFError
          ended = true
        end
      end
      assert_same_bytes task.await, found
    end
  end

  def feed(writer, random)
    sent = +"".b
    60.times do
      bytes = random.bytes(random.rand(1..2000))
      writer.write(bytes)
      sent << bytes
      random.rand < 0.5 ? Rota.snooze : Rota.sleep(random.rand(0.0005))
    end
    writer.close
    sent
  end

  def test_close_wakes_who_reads
    with_streams do |reader, _writer|
      tasks = Array.new(3) { Rota.spin { assert_raises(IOError) { reader.read(10) } } }
      let_wait(*tasks)
      reader.close
      tasks.each { |task| assert_match(/closed/, task.await.message) }
    end
  end

  def test_close_wakes_who_writes
    with_streams do |_reader, writer|
      tasks = Array.new(3) { Rota.spin { assert_raises(IOError) { writer.write(HUGE) } } }
      let_wait(*tasks)
      writer.close
      tasks.each { |task| assert_match(/closed/, task.await.message) }
    end
  end

  def test_a_closed_stream
    with_streams do |reader, writer|
      reader.close
      assert_nil reader.close
      assert_predicate reader, :closed?
      [-> { reader.read }, -> { reader.read(1) }, -> { reader.gets }, -> { reader.readpartial(1) }, -> { reader.eof? },
       -> { reader.write("x") }, -> { reader << "x" }, -> { reader.fileno }, -> { reader.getc }, -> { reader.getbyte },
       -> { reader.timeout = 1 }, -> { reader.read_loop { nil } }, -> { reader.each_line { nil } },
       -> { Rota.loop.read(reader, 1) }, -> { Rota.loop.write(reader, "x") }].each do |call|
        assert_match(/closed/, assert_raises(IOError, &call).message)
      end
      assert_nil reader.close_read
      assert_nil reader.close_write
      writer.close
    end
  end

  def test_concurrent_writers_never_interleave
    with_streams do |reader, writer|
      size = LONG.bytesize / 10
      tasks = Array.new(8) { |i| Rota.spin { writer.write(i.to_s * size, i.to_s * 5) } }
      Rota.spin { tasks.each(&:await) && writer.close }
      found = read_all(reader)
      assert_equal %w[0 1 2 3 4 5 6 7], found.squeeze.chars.sort
      8.times { |i| assert_equal size + 5, found.count(i.to_s) }
    end
  end

  def test_two_readers_share_and_lose_nothing
    with_streams do |reader, writer|
      found = Array.new(3) { +"".b }
      readers = found.map do |mine|
        Rota.spin do
          while (bytes = reader.read(100))
            mine << bytes
            Rota.snooze
          end
        end
      end
      sent = Array.new(300) { |i| format("%0100d", i) }
      sent.each { |piece| writer.write(piece) }
      writer.close
      readers.each(&:await)
      assert_equal sent, found.flat_map { |mine| mine.scan(/.{100}/) }.sort
    end
  end

  def test_close_write
    with_streams do |reader, writer|
      writer << "last"
      if transport.socket
        assert_nil writer.close_write
        assert_nil writer.close_write
        assert_equal "last", reader.read
        reader << "answer"
        assert_equal "answer", writer.read(6)
        assert_raises(IOError) { writer << "more" }
        refute_predicate writer, :closed?
        assert_nil writer.close_read
      else
        assert_match(/non-duplex/, assert_raises(IOError) { reader.close_write }.message)
        assert_nil writer.close_write
        assert_equal "last", reader.read
      end
      assert_predicate writer, :closed?
    end
  end

  def test_a_reader_that_does_not_read_stops_the_writer
    with_streams do |reader, writer|
      written = 0
      piece = "x" * 10_000
      task = Rota.spin { 1500.times { written += writer.write(piece) } }
      reader.readpartial(1)
      before = -1
      (before = written) && Rota.sleep(0.03) until written == before
      assert_operator written, :<, 1500 * piece.bytesize
      count = 1
      reader.read_loop { |bytes| break if (count += bytes.bytesize) >= 1500 * piece.bytesize }
      assert_equal 1500 * piece.bytesize, count
      task.await
    end
  end
end
