# frozen_string_literal: true

require "test_helper"
require "support/engines"
require "tempfile"

# Rota::Buffer, registered where the kernel can, and the verbs that read and write in it. A class
# that includes this has `options` for Rota.run, and `registers?`.
module BufferTests
  BYTES = Random.new(5).bytes(100_000).freeze

  def in_loop = Rota.run(**options) { yield Rota.loop }

  def with_pipe
    reader, writer = IO.pipe
    in_loop { |loop| yield loop, reader, writer }
  ensure
    [reader, writer].each(&:close)
  end

  def test_size_and_zeros
    in_loop do |loop|
      buffer = loop.register_buffer(5000)
      assert_equal [5000, registers?], [buffer.size, buffer.registered?]
      assert_equal "\0" * 5000, buffer.get_string
      assert_match(/\A#<Rota::Buffer of 5000 bytes#{', registered' if registers?}>\z/, buffer.inspect)
      assert_nil loop.unregister_buffer(buffer)
      refute_predicate buffer, :registered?
      assert_nil loop.unregister_buffer(buffer)
    end
  end

  def test_strings
    in_loop do |loop|
      buffer = loop.register_buffer(10)
      assert_equal 5, buffer.set_string("hello")
      assert_equal 2, buffer.set_string("abcd", 8, 2, 1)
      assert_equal "hello\0\0\0bc", buffer.get_string
      assert_equal ["lo", "bc", ""], [buffer.get_string(3, 2), buffer.get_string(8), buffer.get_string(10)]
      assert_equal Encoding::BINARY, buffer.get_string.encoding
      [[-1], [11], [0, 11], [5, -1]].each { |range| assert_raises(ArgumentError) { buffer.get_string(*range) } }
      assert_raises(ArgumentError) { buffer.set_string("x" * 11) }
      assert_raises(ArgumentError) { buffer.set_string("xx", 9) }
      assert_raises(ArgumentError) { buffer.set_string("xx", 0, 3) }
      assert_raises(TypeError) { buffer.set_string(nil) }
    end
  end

  def test_a_string_that_to_int_makes_shorter
    in_loop do |loop|
      buffer = loop.register_buffer(100)
      [[0], [0, 100], [0, nil, 50]].each do |arguments|
        string = "a" * 100
        shrinking = Object.new
        shrinking.define_singleton_method(:to_int) { string.replace("x") && arguments.last }
        begin
          buffer.set_string(string, *arguments[..-2], shrinking)
        rescue ArgumentError
          # the rest of it is too short, or begins behind its end
        end
        assert_equal "\0" * 99, buffer.get_string(1)
      end
    end
  end

  def test_slices_share_the_memory
    in_loop do |loop|
      buffer = loop.register_buffer(10)
      slice = buffer.slice(2, 6).slice(1)
      buffer.set_string("0123456789")
      assert_equal ["34567", 5, registers?], [slice.get_string, slice.size, slice.registered?]
      slice.set_string("ab", 1)
      assert_equal "0123ab6789", buffer.get_string
      assert_raises(ArgumentError) { buffer.slice(5, 6) }
    end
  end

  def test_as_one_of_rubys_own
    with_pipe do |loop, reader, writer|
      buffer = loop.register_buffer(10)
      view = buffer.to_io_buffer
      view.set_string("abc", 4)
      assert_equal "\0\0\0\0abc\0\0\0", buffer.get_string
      writer.write("xyz")
      assert_equal 3, loop.read(reader, 3, view)
      assert_equal "xyz\0abc\0\0\0", buffer.get_string
      only_view = Rota.spin { loop.register_buffer(10).tap { |own| own.set_string("kept") }.to_io_buffer }.await
      3.times { GC.start }
      assert_equal "kept", only_view.get_string(0, 4)
    end
  end

  def test_bad_sizes
    in_loop do |loop|
      [0, -1].each { |size| assert_raises(ArgumentError) { loop.register_buffer(size) } }
      assert_raises(TypeError) { loop.register_buffer("1") }
      assert_raises(TypeError) { loop.unregister_buffer("1") }
      assert_raises(Errno::ENOMEM) { loop.register_buffer(1 << 60) }
      assert_raises(NoMethodError) { Rota::Buffer.new }
    end
  end

  def test_read_and_write
    with_pipe do |loop, reader, writer|
      buffer = loop.register_buffer(16)
      buffer.set_string("0123456789abcdef")
      assert_equal 16, loop.write(writer, buffer)
      assert_equal 3, loop.write(writer, buffer.slice(10, 3))
      assert_equal "0123456789abcdefabc", loop.read(reader, 100)
      writer.write("XYZ")
      assert_equal 3, loop.read(reader, 100, buffer, 13)
      assert_equal "0123456789abcXYZ", buffer.get_string
      assert_raises(ArgumentError) { loop.read(reader, 1, buffer, 17) }
      writer.close
      assert_nil loop.read(reader, 10, buffer)
    end
  end

  def test_files_at_positions
    Tempfile.create("rota-buffer") do |file|
      in_loop do |loop|
        buffer = loop.register_buffer(BYTES.bytesize)
        buffer.set_string(BYTES)
        file.binmode
        assert_equal BYTES.bytesize, loop.write(file, buffer)
        other = loop.register_buffer(1000)
        assert_equal 900, loop.read(file, 900, other, 50, 4321)
        assert_equal BYTES[4321, 900], other.get_string(50, 900)
        file.sysseek(0)
        total = 0
        total += loop.read(file, 1000, other) while total < BYTES.bytesize
        assert_equal BYTES[-1000, 1000], other.get_string
      end
    end
  end

  def test_sockets
    one, other = socket_pair
    in_loop do |loop|
      buffer = loop.register_buffer(100)
      buffer.set_string("hello")
      assert_equal 5, loop.send_bytes(one, buffer.slice(0, 5))
      assert_equal 5, loop.recv(other, 50, buffer, 0)
      assert_equal 5, loop.write(one, buffer.slice(0, 5))
      assert_equal 5, loop.read(other, 50, buffer, 50)
      assert_equal "hello", buffer.get_string(50, 5)
    end
  end

  # Several at once in one buffer are what it is for.
  def test_many_in_one_buffer
    with_pipe do |loop, reader, writer|
      buffer = loop.register_buffer(64)
      readers = Array.new(8) { |i| Rota.spin { loop.read(reader, 8, buffer, i * 8) } }
      Rota.snooze until readers.all? { |task| task.state == :waiting }
      loop.write(writer, (0...64).map(&:chr).join)
      readers.each { |task| assert_equal 8, task.await }
      assert_equal (0...64).to_a, buffer.get_string.bytes.sort
      assert_equal [64], loop.batch { |b| b.write(writer, buffer) }
      assert_equal [8] * 8, loop.chain { |c| 8.times { |i| c.read(reader, 8, buffer, i * 8) } }
      assert_equal (0...64).to_a, buffer.get_string.bytes.sort
    end
  end

  def test_unregistered_with_a_read_in_flight
    with_pipe do |loop, reader, writer|
      buffer = loop.register_buffer(4096)
      task = Rota.spin { loop.read(reader, 100, buffer) }
      Rota.snooze until task.state == :waiting
      Rota.sleep(0.001)
      loop.unregister_buffer(buffer)
      writer.write("late")
      assert_equal 4, task.await
      assert_equal "late", buffer.get_string(0, 4)
    end
  end

  # A read keeps the memory that nobody else holds; what comes to the same address later is not
  # mistaken for it.
  def test_collected_buffers
    with_pipe do |loop, reader, writer|
      task = Rota.spin { loop.read(reader, 10, loop.register_buffer(4096), 100) }
      Rota.snooze until task.state == :waiting
      GC.start
      writer.write("abc")
      assert_equal 3, task.await
      100.times do |i|
        buffer = loop.register_buffer(1 << 16)
        writer.write(bytes = "#{i} and more")
        assert_equal bytes.bytesize, loop.read(reader, 100, buffer)
        assert_equal bytes, buffer.get_string(0, bytes.bytesize)
        GC.start if (i % 20).zero?
        Rota.snooze
      end
    end
  end

  def test_more_than_the_kernel_holds
    with_pipe do |loop, reader, writer|
      buffers = Array.new(80) { loop.register_buffer(100) }
      assert_includes [64, 0], buffers.count(&:registered?)
      buffers.each_with_index do |buffer, i|
        writer.write("#{i};")
        count = loop.read(reader, 100, buffer)
        assert_equal "#{i};", buffer.get_string(0, count)
      end
      buffers.each { |buffer| loop.unregister_buffer(buffer) }
      assert_equal registers?, loop.register_buffer(10).registered?
    end
  end

  def test_a_buffer_outlives_its_loop
    buffer = in_loop { |loop| loop.register_buffer(10).tap { |fresh| fresh.set_string("abc") } }
    refute_predicate buffer, :registered?
    with_pipe do |loop, reader, writer|
      assert_equal 10, loop.write(writer, buffer)
      assert_equal 10, loop.read(reader, 10, buffer)
      assert_equal "abc", buffer.get_string(0, 3)
      assert_nil loop.unregister_buffer(buffer)
    end
  end

  def test_after_a_fork
    in_loop do |loop|
      buffer = loop.register_buffer(10)
      buffer.set_string("parent")
      reader, writer = IO.pipe
      pid = fork do
        buffer.set_string("child!")
        ObjectSpace.garbage_collect
        writer.write("#{buffer.get_string(0, 6)} #{buffer.registered?}")
        exit!(0)
      end
      writer.close
      assert_equal "child! false", reader.read
      Process.wait(pid)
      assert_equal ["parent", registers?], [buffer.get_string(0, 6), buffer.registered?]
      Rota.loop.read(reader, 1, buffer)
    ensure
      [reader, writer].each { |io| io&.close }
    end
  end
end

rows = { default: {}, without: { without: [:registered_buffers] } }
Engines::ALL.product(rows.to_a).each do |engine, (row, options)|
  next if engine == :epoll && row == :without

  name = [row, engine].flat_map { |word| word.to_s.split("_") }.map(&:capitalize).join
  Object.const_set("Buffer#{name}Test", Class.new(RotaTest) do
    include BufferTests

    define_method(:options) { { engine: engine, **options } }
    define_method(:registers?) { engine == :io_uring && row == :default }
  end)
end
