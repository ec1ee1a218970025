# frozen_string_literal: true

require "test_helper"
require "support/engines"
require "fcntl"
require "tempfile"

class RegisterFilesTest < RotaTest
  def each_engine
    Engines::ALL.each { |engine| Rota.run(engine: engine) { yield Rota.loop, engine == :io_uring ? 1 : 0 } }
  end

  def with_pipe
    reader, writer = IO.pipe
    yield reader, writer
  ensure
    [reader, writer].each { |io| io.close unless io.closed? }
  end

  def test_verbs_find_them
    each_engine do |loop, each|
      with_pipe do |reader, writer|
        stream = Rota::Stream.for_fd(writer.fileno)
        writer.autoclose = false
        assert_equal 2 * each, loop.register_files([reader, stream])
        assert_equal each, loop.register_files(reader)
        assert_equal 2 * each, loop.stats[:slots_used]
        assert_equal 3, loop.write(stream, "abc")
        assert_equal "abc", loop.read(reader, 10)
        assert_equal [3, "xyz"], (loop.chain do |c|
          c.write(stream, "xyz")
          c.read(reader, 3)
        end)
        assert_nil loop.unregister_files([reader, stream])
        assert_nil loop.unregister_files([reader, stream])
        loop.write(stream, "again")
        assert_equal "again", loop.read(reader, 10)
        Rota.sleep(0.001) # the kernel is told in a turn
        assert_equal 0, loop.stats[:slots_used]
        stream.close
      end
    end
  end

  # A read that has not reached the kernel when its file's place is given to another one.
  def test_reads_on_their_way_keep_their_file
    [{}, { entries: 2 }].each do |options|
      Rota.run(**options) do
        loop = Rota.loop
        pairs = Array.new(6) { UNIXSocket.pair }
        ours, theirs = pairs.first
        others = pairs.drop(1)
        loop.register_files(ours)
        readers = Array.new(5) { Rota.spin { loop.read(ours, 1) } }
        Rota.spin do
          loop.unregister_files(ours)
          others.each do |io, peer|
            loop.register_files(io) # the first makes the place free, the next has it
            peer.write("wrong")
          end
        end.await
        Rota.sleep(0.001)
        theirs.write("right")
        assert_equal "right".chars.sort, readers.map(&:await).sort
        pairs.flatten.each(&:close)
      end
    end
  end

  def test_streams_that_verbs_use_a_lot_are_registered_without_being_asked
    each_engine do |loop, each|
      pipe = Rota.pipe
      20.times do
        loop.write(pipe.writer, "message")
        assert_equal "message", loop.read(pipe.reader, 10)
      end
      assert_equal 2 * each, loop.stats[:slots_used]
      pipe.close
      Rota.sleep(0.001) until loop.stats[:slots_used].zero?
      assert_equal 0, loop.stats[:slots_used]
    end
  end

  # Each has its own place, although both had the same number; and the closed one still gives its place back.
  def test_a_number_that_is_used_again
    each_engine do |loop, each|
      with_pipe do |reader, writer|
        first, its_peer = UNIXSocket.pair
        loop.register_files(first)
        number = first.fileno.tap { first.close }
        second = IO.for_fd(reader.fcntl(Fcntl::F_DUPFD, number))
        assert_equal number, second.fileno
        loop.write(writer, "one")
        assert_equal "one", loop.read(second, 10)
        assert_equal each, loop.register_files(second)
        loop.write(writer, "two")
        assert_equal "two", loop.read(second, 10)
        loop.unregister_files(first)
        assert_nil loop.read(its_peer, 10)
        loop.write(writer, "three")
        assert_equal "three", loop.read(second, 10)
        [second, its_peer].each(&:close)
      end
    end
  end

  def test_after_a_collection_and_a_compaction
    each_engine do |loop, each|
      pipes = Array.new(20) { IO.pipe }
      assert_equal 40 * each, loop.register_files(pipes.flatten)
      GC.start
      GC.compact if GC.respond_to?(:compact)
      pipes.each_with_index { |(_, writer), index| loop.write(writer, index.to_s) }
      assert_equal (0...20).map(&:to_s), pipes.map { |reader, _| loop.read(reader, 10) }
      loop.unregister_files(pipes.flatten)
      pipes.flatten.each(&:close)
    end
  end

  # The table holds the file, so the other end is told only when the table lets go.
  def test_a_registered_file_outlives_its_io
    each_engine do |loop, each|
      next if each.zero?

      with_pipe do |reader, writer|
        loop.register_files(writer)
        loop.write(writer, "x")
        loop.read(reader, 1)
        writer.close
        assert_raises(IOError) { loop.write(writer, "x") }
        assert_equal(:open, Rota.move_on_after(0.005, with_value: :open) { loop.read(reader, 1) })
        loop.unregister_files(writer)
        assert_nil loop.read(reader, 1)
      end
    end
  end

  def test_a_close_by_the_loop_ends_it
    each_engine do |loop, _each|
      with_pipe do |reader, writer|
        loop.register_files([reader, writer])
        loop.close(writer)
        assert_nil loop.read(reader, 1)
        loop.close(reader)
        Rota.sleep(0.001)
        assert_equal 0, loop.stats[:slots_used]
      end
    end
  end

  # A number that is used again is another file's.
  def test_numbers_are_refused
    each_engine do |loop, _each|
      with_pipe do |reader, _writer|
        assert_raises(ArgumentError) { loop.register_files([reader, reader.fileno]) }
        assert_raises(TypeError) { loop.register_files([nil]) }
        assert_equal 0, loop.stats[:slots_used]
        closed = File.open(File::NULL).tap(&:close)
        assert_raises(IOError) { loop.register_files([reader, closed]) }
        assert_equal 0, loop.register_files([])
      end
    end
  end

  def test_left_when_the_loop_ends
    with_pipe do |reader, writer|
      each_engine { |loop, _each| loop.register_files([reader, writer]) }
      writer.close
      assert_nil reader.read(1)
    end
  end
end
