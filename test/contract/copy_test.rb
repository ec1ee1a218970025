# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"
require "fcntl"
require "tempfile"

# Loop#copy, #double_splice and #splice between all kinds of ends, with IO.copy_stream as oracle.
module CopyContract
  BYTES = Random.new(7).bytes(2_300_001).freeze

  # Each gives [where to read what is put in, where to put it, whether it has to be closed to end].
  ENDS = {
    pipe: -> { IO.pipe },
    unix: -> { UNIXSocket.pair },
    tcp: -> { Transports.tcp("127.0.0.1") },
    file: lambda do
      file = Tempfile.create("rota-copy", mode: File::BINARY)
      File.unlink(file.path)
      [file, file]
    end
  }.freeze

  def in_loop = Rota.run(**options) { yield Rota.loop }

  # Yields the loop, and one pair of ends for the source and one for the target.
  def with_ends(source, target)
    in_loop do |loop|
      ends = [source, target].flat_map { |kind| ENDS.fetch(kind).call }
      yield loop, *ends
    ensure
      ends&.each { |io| io.close unless io.closed? }
    end
  end

  # What the source shall give: it is written, and where that is a file rewound, else ended.
  def fill(loop, reader, writer, bytes)
    if reader.equal?(writer)
      writer.syswrite(bytes)
      reader.sysseek(0)
    else
      Rota.spin { loop.write(writer, bytes).tap { writer.close } }
    end
  end

  # A task that gives what arrives at the target.
  def collect(loop, reader, writer)
    Rota.spin do
      next if reader.equal?(writer)

      read_all(loop, reader)
    end
  end

  def collected(task, reader, writer)
    return task.await unless reader.equal?(writer)

    reader.sysseek(0)
    reader.read.b
  end

  def read_all(loop, io)
    found = +"".b
    while (bytes = loop.read(io, 100_000))
      found << bytes
    end
    found
  end

  def assert_same_bytes(expected, actual)
    assert expected == actual, "#{actual.bytesize} bytes instead of #{expected.bytesize}, or others"
  end

  # => [bytes copied, what arrived]
  def copy(source, target, bytes)
    with_ends(source, target) do |loop, from, fill_end, target_read, to|
      fill(loop, from, fill_end, bytes)
      arrived = collect(loop, target_read, to)
      count = yield loop, from, to
      to.close unless to.equal?(target_read)
      [count, collected(arrived, target_read, to)]
    end
  end

  ENDS.keys.product(ENDS.keys).each do |source, target|
    define_method(:"test_all_from_#{source}_to_#{target}") do
      count, arrived = copy(source, target, BYTES) { |loop, from, to| loop.copy(from, to) }
      assert_equal BYTES.bytesize, count
      assert_same_bytes BYTES, arrived
    end

    define_method(:"test_a_length_from_#{source}_to_#{target}") do
      count, arrived = copy(source, target, BYTES[0, 200_000]) do |loop, from, to|
        loop.copy(from, to, 150_001).tap { assert_same_bytes BYTES[150_001...200_000], read_all(loop, from) }
      end
      assert_equal 150_001, count
      assert_same_bytes BYTES[0, 150_001], arrived
    end

    define_method(:"test_a_short_source_from_#{source}_to_#{target}") do
      count, arrived = copy(source, target, "short") { |loop, from, to| loop.copy(from, to, 1_000_000) }
      assert_equal [5, "short"], [count, arrived]
    end

    define_method(:"test_double_splice_from_#{source}_to_#{target}") do
      count, arrived = copy(source, target, BYTES[0, 300_000]) { |loop, from, to| loop.double_splice(from, to) }
      assert_equal 300_000, count
      assert_same_bytes BYTES[0, 300_000], arrived
    end
  end

  def test_nothing
    ENDS.each_key do |kind|
      assert_equal([0, ""], copy(kind, :pipe, "") { |loop, from, to| loop.copy(from, to) })
      assert_equal([0, ""], copy(kind, :pipe, "") { |loop, from, to| loop.copy(from, to, 10) })
    end
    assert_equal([0, ""], copy(:file, :pipe, "abc") { |loop, from, to| loop.copy(from, to, 0) })
  end

  # length, offset => as IO.copy_stream: bytes, what arrived, where both are then.
  def test_offsets_and_positions_as_copy_stream
    [[nil, nil], [3, nil], [nil, 4], [5, 2], [100, 8], [0, 1], [10, 50]].each do |length, offset|
      seen = [->(from, to) { IO.copy_stream(from, to, length, offset) },
              ->(from, to) { Rota.loop.copy(from, to, length, offset) }].map do |copying|
        with_ends(:file, :file) do |_loop, from, _, to|
          from.syswrite("0123456789")
          from.sysseek(1)
          to.syswrite("##")
          count = copying.call(from, to)
          [count, from.sysseek(0, IO::SEEK_CUR), to.sysseek(0, IO::SEEK_CUR), to.pread(100, 0)]
        end
      end
      assert_equal seen[0], seen[1], "length #{length.inspect}, offset #{offset.inspect}"
    end
  end

  def test_an_offset_beyond_four_gigabytes
    with_ends(:file, :pipe) do |loop, from, _, reader, to|
      from.pwrite("far", (5 << 30) + 7)
      assert_equal 3, loop.copy(from, to, 10, (5 << 30) + 7)
      assert_equal "far", loop.read(reader, 10)
    end
  end

  # The kernel does not splice to them.
  def test_a_target_that_is_opened_for_appending
    Tempfile.create("rota-copy") do |target|
      target.write("head ")
      target.flush
      File.open(target.path, "ab") do |appending|
        with_ends(:file, :pipe) do |loop, from, writer, pipe, pipe_writer|
          fill(loop, from, writer, BYTES)
          assert_equal BYTES.bytesize, loop.copy(from, appending)
          pipe_writer.write("tail")
          pipe_writer.close
          assert_equal 4, loop.copy(pipe, appending)
          assert_equal 0, loop.copy(pipe, appending)
        end
      end
      assert_same_bytes "head ".b + BYTES + "tail".b, File.binread(target.path)
    end
  end

  # What the kernel makes up when it is read has no size.
  def test_a_file_without_a_size
    with_ends(:file, :pipe) do |loop, target|
      File.open("/proc/self/status") do |status|
        assert_operator loop.copy(status, target), :>, 100
      end
      target.sysseek(0)
      assert_match(/^Pid:\t#{Process.pid}$/, target.sysread(10_000))
    end
  end

  def test_devices
    with_ends(:file, :file) do |loop, from, _, to|
      from.syswrite("abc")
      from.sysseek(0)
      File.open(File::NULL, "r+") do |null|
        assert_equal 3, loop.copy(from, null)
        assert_equal 0, loop.copy(null, to)
      end
      File.open("/dev/zero") { |zero| assert_equal 100_000, loop.copy(zero, to, 100_000) }
      assert_equal "\0" * 100_000, to.pread(200_000, 0)
    end
  end

  # A send of theirs waits for all of it to find room.
  def test_sockets_in_blocking_mode
    %i[unix tcp].each do |kind|
      with_ends(kind, kind) do |loop, from, writer, reader, to|
        [from, to].each { |io| io.fcntl(Fcntl::F_SETFL, io.fcntl(Fcntl::F_GETFL) & ~Fcntl::O_NONBLOCK) }
        to.setsockopt(:SOCKET, :SNDBUF, 4096)
        fill(loop, from, writer, BYTES[0, 500_000])
        ticks = 0
        ticking = Rota.spin { loop { Rota.sleep(0.001) && ticks += 1 } }
        copying = Rota.spin { loop.copy(from, to).tap { to.close } }
        3.times { Rota.sleep(0.003) } # nobody reads: it waits, and others run
        assert_operator ticks, :>, 2
        assert_same_bytes BYTES[0, 500_000], read_all(loop, reader)
        assert_equal 500_000, copying.await
        ticking.stop
      end
    end
  end

  def test_streams
    in_loop do |loop|
      (from, writer), (reader, to) = Array.new(2) { Transports.ends_of_streams }
      writing = Rota.spin { writer.write(BYTES[0, 400_000]).tap { writer.close } }
      reading = Rota.spin { reader.read }
      assert_equal 400_000, loop.copy(from, to)
      to.close
      assert_same_bytes BYTES[0, 400_000], reading.await.b
      assert_equal 400_000, writing.await
    ensure
      [from, writer, reader, to].each { |stream| stream&.close }
    end
  end

  # --- failures ---

  def test_bad_arguments
    with_ends(:pipe, :pipe) do |loop, from, _, _, to|
      assert_raises(ArgumentError) { loop.copy(from, to, -1) }
      assert_raises(ArgumentError) { loop.copy(from, to, 1, -1) }
      assert_raises(TypeError) { loop.copy(from, "to") }
      assert_raises(TypeError) { loop.copy(from, to, "1") }
      assert_raises(ArgumentError) { loop.splice(from, to, -1) }
      assert_raises(Errno::EBADF) { loop.copy(999, to) }
      assert_raises(Errno::EBADF) { loop.copy(to, to) }
      assert_raises(Errno::ESPIPE) { loop.copy(from, to, 1, 1) }
      File.open("/") { |folder| assert_raises(Errno::EISDIR) { loop.copy(folder, to) } }
      from.close
      assert_raises(IOError) { loop.copy(from, to) }
    end
  end

  def test_bytes_in_rubys_own_buffer
    with_ends(:pipe, :pipe) do |loop, from, writer, _, to|
      writer.write("one\ntwo\n")
      from.gets
      %i[copy double_splice].each { |verb| assert_raises(IOError) { loop.public_send(verb, from, to) } }
      assert_raises(IOError) { loop.splice(from, to, 10) }
    end
  end

  # As much as reached it is told; the rest is the next reader's.
  def test_a_target_that_fails
    with_ends(:unix, :unix) do |loop, from, writer, reader, to|
      writing = Rota.spin { loop.write(writer, BYTES[0, 300_000]).tap { writer.close } }
      copying = Rota.spin { loop.copy(from, to) }
      taken = loop.read(reader, 1000)
      Rota.sleep(0.002)
      taken << loop.read(reader, 10) # the peer is not gone before some of it has arrived
      reader.close
      error = assert_raises(Errno::EPIPE, Errno::ECONNRESET) { copying.await }
      assert_operator error.bytes_written, :>=, taken.bytesize
      assert_same_bytes BYTES[error.bytes_written...300_000], read_all(loop, from)
      writing.await
    end
  end

  def test_a_close_meanwhile
    with_ends(:unix, :tcp) do |loop, from, _writer, _reader, to|
      copying = Rota.spin { loop.copy(from, to) }
      Rota.snooze until copying.state == :waiting
      loop.close(from)
      assert_raises(IOError) { copying.await }
    end
  end

  def test_a_close_of_the_target_meanwhile
    with_ends(:unix, :unix) do |loop, from, writer, _reader, to|
      copying = Rota.spin { loop.copy(from, to) }
      writing = Rota.spin { Rota.move_on_after(0.05) { loop.write(writer, BYTES) } }
      Rota.sleep(0.01)
      loop.close(to)
      assert_raises(IOError) { copying.await }
      writing.await
    end
  end

  # Its number is another file's by the time there is something to write.
  def test_a_close_of_the_target_while_the_source_is_silent
    %i[unix tcp file].each do |kind|
      with_ends(:unix, kind) do |loop, from, writer, _reader, to|
        copying = Rota.spin { loop.copy(from, to) }
        Rota.snooze until copying.state == :waiting
        number = to.fileno
        loop.close(to)
        others = Array.new(4) { Tempfile.create("rota-other").tap { |file| File.unlink(file.path) } }
        assert_includes others.map(&:fileno), number
        writer.write("lost?")
        assert_raises(IOError) { copying.await }
        assert_equal [0] * 4, others.map(&:size)
        assert_equal "lost?", loop.read(from, 10)
      ensure
        others&.each(&:close)
      end
    end
  end

  # To what is opened for appending it is read and written, and it is the read that waits.
  def test_a_close_of_an_appended_target_while_the_source_is_silent
    with_ends(:pipe, :file) do |loop, from, writer, file, _|
      to = File.open("/proc/self/fd/#{file.fileno}", "ab")
      number = to.fileno
      writer.write("first")
      copying = Rota.spin { loop.copy(from, to) }
      Rota.sleep(0.001) until file.size == 5
      loop.close(to)
      other = file_with_number(number)
      writer.write("lost?")
      assert_raises(IOError) { copying.await }
      assert_equal 0, other.size
      assert_equal "lost?", loop.read(from, 10)
    end
  end

  # Giving back what did not arrive looks at the source, which must not take the interrupt away.
  def test_a_stop_together_with_a_close_of_the_source
    with_ends(:unix, :pipe) do |loop, from, writer, reader, to|
      source = Transports.stream(from.dup)
      keep_bytes(loop, source, writer, "abc")
      to.write_nonblock("x" * 4096) until to.wait_writable(0).nil?
      copying = Rota.spin do
        loop.copy(source, to)
      rescue SystemCallError
        Rota.sleep
      end
      Rota.snooze until copying.state == :waiting
      reader.close
      copying.stop
      source.close
      copying.join(5)
      assert_equal :dead, copying.state
    end
  end

  # --- splice and tee ---

  def test_splice_moves_what_is_at_hand
    ENDS.each_key do |kind|
      with_ends(:pipe, kind) do |loop, from, writer, reader, to|
        task = Rota.spin { loop.splice(from, to, 100) }
        Rota.snooze until task.state == :waiting
        writer.write("hello")
        assert_equal 5, task.await
        reader.sysseek(0) if reader.equal?(to)
        assert_equal "hello", loop.read(reader, 10)
        writer.close
        assert_equal 0, loop.splice(from, to, 100)
        assert_equal 0, loop.splice(from, to, 0)
      end
    end
  end

  def test_splice_waits_for_room
    with_ends(:file, :pipe) do |loop, from, _, reader, to|
      from.syswrite(BYTES)
      from.sysseek(0)
      moved = 0
      task = Rota.spin { nil while (moved += loop.splice(from, to, 50_000)) < 300_000 }
      Rota.snooze until task.state == :waiting && moved.positive?
      3.times { Rota.sleep(0.001) }
      assert_operator moved, :<, 300_000
      found = +"".b
      found << loop.read(reader, 40_000) until task.dead? && found.bytesize == moved
      assert_same_bytes BYTES[0, moved], found
    end
  end

  def test_splice_without_a_pipe
    with_ends(:unix, :file) do |loop, from, writer, _, to|
      writer.write("x")
      assert_raises(Errno::EINVAL) { loop.splice(from, to, 1) }
      assert_equal "x", loop.read(from, 1)
    end
  end

  def test_tee_leaves_what_it_doubles
    with_ends(:pipe, :pipe) do |loop, from, writer, reader, to|
      task = Rota.spin { loop.tee(from, to, 3) }
      Rota.snooze until task.state == :waiting
      writer.write("hello")
      assert_equal 3, task.await
      assert_equal %w[hello hel], [loop.read(from, 10), loop.read(reader, 10)]
      writer.close
      assert_equal 0, loop.tee(from, to, 3)
      UNIXSocket.pair.tap do |a, b|
        b.write("x")
        assert_raises(Errno::EINVAL) { loop.tee(a, to, 1) }
        [a, b].each(&:close)
      end
    end
  end

  # What a cancelled read left comes first.
  def test_kept_bytes_come_first
    { splice: [100], tee: [100], copy: [3], double_splice: [] }.each do |verb, arguments|
      with_ends(:pipe, :pipe) do |loop, from, writer, reader, to|
        keep_bytes(loop, from, writer, "abc")
        writer.close if verb == :double_splice
        assert_equal 3, loop.public_send(verb, from, to, *arguments), verb
        assert_equal "abc", loop.read(reader, 10), verb
        assert_equal "abc", loop.read(from, 10), verb if verb == :tee
      end
    end
  end

  def keep_bytes(loop, from, writer, bytes)
    silent, held = IO.pipe
    writer.write(bytes)
    Rota.move_on_after(0.002) do
      loop.batch do |b|
        b.read(from, bytes.bytesize)
        b.read(silent, 1)
      end
    end
  ensure
    [silent, held].each(&:close)
  end

  def test_in_chains_and_batches
    with_ends(:file, :unix) do |loop, from, _, reader, to|
      pipe, pipe_writer = IO.pipe
      from.syswrite(BYTES)
      from.sysseek(0)
      assert_equal [20_000, 20_000, 2], (loop.chain do |c|
        c.splice(from, pipe_writer, 20_000)
        c.splice(pipe, to, 20_000)
        c.write(to, "ok")
      end)
      assert_same_bytes BYTES[0, 20_000] + "ok".b, loop.read(reader, 50_000)
      error = assert_raises(Rota::ChainError) do
        loop.chain do |c|
          c.write(pipe_writer, "abc")
          c.splice(pipe, to, 4)
          c.write(to, "never")
        end
      end
      assert_equal [1, [3], 3], [error.index, error.results, error.result]
      assert_equal "abc", loop.read(reader, 10)
      assert_equal [3, 3, "abc"], (loop.batch do |b| # each of them waits for the next
        b.splice(pipe, to, 10)
        b.write(pipe_writer, "abc")
        b.read(reader, 10)
      end)
    ensure
      [pipe, pipe_writer].each { |io| io&.close }
    end
  end
end

{ default: {}, ring_of_two: { entries: 2 } }.each do |row, options|
  Engines::ALL.each do |engine|
    next if engine == :epoll && row != :default

    name = [row, engine].flat_map { |word| word.to_s.split("_") }.map(&:capitalize).join
    Object.const_set("Copy#{name}Test", Class.new(RotaTest) do
      include CopyContract

      define_method(:options) { { engine: engine, **options } }
    end)
  end
end
