# frozen_string_literal: true

require "test_helper"
require "support/engines"
require "support/transports"
require "tempfile"

# Stream#splice_to, and what IO has of its kind.
module SpliceToTests
  BYTES = Random.new(11).bytes(900_000).freeze

  TARGETS = {
    unix: -> { UNIXSocket.pair },
    pipe: -> { IO.pipe }
  }.freeze

  def in_loop = Rota.run(**options) { yield Rota.loop }

  # Yields the loop, a stream, what to write to it with, where to read what was moved, and the target.
  def with_ends(source, target)
    in_loop do |loop|
      stream, writer = Transports::ALL.find { |transport| transport.name == source }.streams
      reader, to = TARGETS.fetch(target).call
      yield loop, stream, writer, reader, to
    ensure
      [stream, writer, reader, to].each { |io| io&.close }
    end
  end

  def read_all(loop, io)
    found = +"".b
    while (bytes = loop.read(io, 100_000))
      found << bytes
    end
    found
  end

  %i[unix pipe tcp4].product(TARGETS.keys).each do |source, target|
    define_method(:"test_all_from_#{source}_to_#{target}") do
      with_ends(source, target) do |loop, stream, writer, reader, to|
        writing = Rota.spin { writer.write("head\n", BYTES).tap { writer.close } }
        assert_equal "head\n", stream.gets
        assert_equal BYTES[0, 10], stream.peek(10)
        reading = Rota.spin { read_all(loop, reader) }
        assert_equal BYTES.bytesize, stream.splice_to(to)
        to.close
        assert reading.await == BYTES
        assert_predicate stream, :eof?
        assert_equal 0, stream.splice_to(to = File.open(File::NULL, "w"))
        writing.await
      ensure
        to&.close
      end
    end
  end

  def test_a_stream_as_target_takes_no_other_writes_meanwhile
    with_ends(:unix, :unix) do |loop, stream, writer, reader, to|
      target = Transports.stream(to)
      writer.write("abc")
      assert_equal "a", stream.read(1)
      moving = Rota.spin { stream.splice_to(target) }
      Rota.snooze until moving.state == :waiting
      other = Rota.spin { target.write("other") }
      Rota.sleep(0.002)
      writer.write("def")
      writer.close
      assert_equal [5, 5], [moving.await, other.await]
      target.close
      assert_equal "bcdefother", read_all(loop, reader)
    end
  end

  # What did not arrive is the next reader's.
  def test_interrupted
    with_ends(:unix, :unix) do |loop, stream, writer, reader, to|
      writer.write("abc")
      assert_equal "a", stream.read(1)
      error = assert_raises(Rota::TimeoutError) { Rota.cancel_after(0.005) { stream.splice_to(to) } }
      assert_equal 2, error.bytes_written
      writing = Rota.spin { writer.write(BYTES).tap { writer.close } }
      error = assert_raises(Rota::TimeoutError) { Rota.cancel_after(0.02) { stream.splice_to(to) } }
      rest = Rota.spin { stream.read }
      arrived = loop.read(reader, 2) + read_exactly(loop, reader, error.bytes_written)
      assert_equal "bc", arrived[0, 2]
      assert arrived[2..] + rest.await.b == BYTES
      writing.await
    end
  end

  def read_exactly(loop, io, count)
    found = +"".b
    found << loop.read(io, count - found.bytesize) while found.bytesize < count
    found
  end

  # An io by to_io, which closes the source: at the first look, or at a later one.
  def test_a_source_that_to_io_closes
    [1, 2, 3].each do |turn|
      with_ends(:unix, :pipe) do |_loop, stream, writer, _reader, to|
        writer.write("abc")
        assert_equal "abc", stream.peek(3)
        calls = 0
        target = Object.new
        target.define_singleton_method(:to_io) { (stream.close if (calls += 1) == turn) || to }
        Rota.cancel_after(0.01) { assert_raises(IOError) { stream.splice_to(target) } }
      end
    end
  end

  def test_a_close_of_the_source_behind_a_part
    with_ends(:unix, :pipe) do |_loop, stream, writer, reader, to|
      writing = Rota.spin { writer.write("x" * 200_000) }
      stream.peek(150_000)
      to.write_nonblock("x" * 4096) until to.wait_writable(0).nil?
      moving = Rota.spin { assert_raises(Errno::EPIPE) { stream.splice_to(to) } }
      [65_536, 8192].each do |room|
        reader.sysread(room)
        Rota.sleep(0.001) while to.wait_writable(0) # until that much has been moved
      end
      stream.close
      reader.close
      assert_equal 65_536 + 8192, moving.await.bytes_written
      writing.stop
    end
  end

  def test_a_target_that_fails
    with_ends(:unix, :unix) do |_loop, stream, writer, reader, to|
      writer.write("abc")
      stream.ungetbyte("x")
      reader.close
      assert_raises(Errno::EPIPE) { stream.splice_to(to) }
      writer.close
      assert_equal "xabc", stream.read
    end
  end

  def test_closed_meanwhile
    with_ends(:tcp4, :unix) do |_loop, stream, writer, _reader, to|
      writer.write("abc")
      assert_equal "a", stream.read(1)
      moving = Rota.spin { stream.splice_to(to) }
      Rota.snooze until moving.state == :waiting
      stream.close
      assert_raises(IOError) { moving.await }
    end
  end

  def test_closed_while_it_waits_for_more
    %i[unix pipe].each do |kind|
      with_ends(:unix, kind) do |_loop, stream, writer, reader, to|
        moving = Rota.spin { caught(IOError) { stream.splice_to(to) } }
        writer.write("abc")
        assert_equal "abc", Rota.loop.read(reader, 10)
        Rota.sleep(0.002)
        stream.close
        assert_kind_of IOError, moving.await(5)
      end
    end
  end

  def test_bad_targets
    with_ends(:unix, :unix) do |_loop, stream, _writer, _reader, to|
      assert_raises(TypeError) { stream.splice_to("name") }
      to.close
      assert_raises(IOError) { stream.splice_to(to) }
    end
  end

  def test_files
    Tempfile.create("rota-splice-to") do |file|
      file.write("0123456789")
      file.flush
      with_ends(:unix, :pipe) do |loop, _stream, _writer, reader, to|
        source = Rota::Stream.for_fd(IO.sysopen(file.path))
        assert_equal "012", source.read(3)
        assert_equal 7, source.splice_to(to)
        assert_equal "3456789", loop.read(reader, 100)
        file.write("more")
        file.flush
        assert_equal 4, source.splice_to(to)
        assert_equal "more", loop.read(reader, 100)
        source.close
      end
    end
  end

  def test_methods_of_io
    in_loop do
      (one, one_writer), (two, two_writer) = Array.new(2) { IO.pipe }
      one_writer.write("hello")
      assert_equal [5, 2], [two_writer.tee_from(one, 10), two_writer.splice_from(one, 2)]
      assert_equal "hellohe", two.readpartial(100)
      one_writer.close
      assert_equal [3, 0, 0], [one.copy_to(two_writer), one.copy_to(two_writer, 10), two_writer.splice_from(one, 1)]
      assert_equal "llo", two.readpartial(100)
      File.open(__FILE__) { |file| assert_equal 20, file.copy_to(two_writer, 20, 2) }
      assert_equal File.binread(__FILE__, 20, 2), two.readpartial(100)
    ensure
      [one, one_writer, two, two_writer].each { |io| io&.close }
    end
  end
end

Engines::ALL.each do |engine|
  Object.const_set("SpliceTo#{engine.to_s.split('_').map(&:capitalize).join}Test", Class.new(RotaTest) do
    include SpliceToTests

    define_method(:options) { { engine: engine } }
  end)
end
