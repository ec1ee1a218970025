# frozen_string_literal: true

require "test_helper"
require "timeout"
require_relative "../support/files"

# Rota.open, Rota::Files, Rota.pipe, Rota.pair.
class FilesTest < RotaTest
  include FilesOfTest

  test_each_way :open_closes_behind_its_block do
    in_loop do
      opened = nil
      value = Rota.open(file("a", "one\ntwo\n")) do |stream|
        opened = stream
        stream.readlines
      end
      assert_equal %W[one\n two\n], value
      assert_predicate opened, :closed?
      assert_raises(KeyError) { Rota.open(path("a")) { |stream| raise KeyError, (opened = stream).inspect } }
      assert_predicate opened, :closed?
      stream = Rota.open(path("b"), "w", 0o600)
      stream << "written"
      stream.close
      assert_equal ["written", 0o600], [File.read(path("b")), File.stat(path("b")).mode & 0o777]
      assert_raises(Errno::ENOENT) { Rota.open(path("none")) { flunk } }
    end
  end

  test_each_way :a_fifo_goes_on_with_its_next_writer do
    in_loop do
      File.mkfifo(path("fifo"))
      writing = Rota.spin { Rota.open(path("fifo"), "w") { |fifo| fifo << "one\n" } }
      Rota.open(path("fifo")) do |fifo|
        assert_equal ["one\n", nil, ""], [fifo.gets, fifo.gets, fifo.read]
        writing.await
        Rota.open(path("fifo"), "w") { |next_one| next_one << "two\nthree" }
        assert_equal %W[two\n three], fifo.readlines
        assert_predicate fifo, :eof?
      end
    end
  end

  # ... as long as it holds nothing that it has read ahead.
  test_each_way :verbs_read_from_where_a_stream_is do
    in_loop do |loop|
      file("a", "0123456789")
      Rota.open(path("a"), "r+b") do |stream|
        assert_equal "012", loop.read(stream, 3)
        stream.seek(5)
        assert_equal [5, "56"], [stream.pos, loop.read(stream, 2)]
        assert_equal "7", stream.read(1)
        assert_raises(IOError) { loop.read(stream, 1) }
        assert_equal "8", stream.tap { |s| s.seek(0, :CUR) }.read(1)
        stream.write("X")
        stream.rewind
        Rota.open(path("b"), "w") { |copy| loop.copy(stream, copy) }
      end
      assert_equal "012345678X", File.read(path("b"))
      Rota.open(path("a")) do |stream|
        stream.ungetbyte("pushed back")
        assert_raises(IOError) { loop.read(stream, 1) }
        assert_raises(IOError) { stream.pos && loop.read(stream, 1) }
      end
      near, far = Rota.pair
      far << "bytes"
      assert_equal "bytes", loop.recv(near.binmode.set_encoding("utf-8"), 10)
      [near, far].each(&:close)
    end
  end

  test_each_way :open_takes_encodings do
    in_loop do
      file("a", "gr\u00fc\u00dfe".encode("utf-16le").b)
      Rota.open(path("a"), "r:utf-16le:utf-8") { |stream| assert_equal "gr\u00fc\u00dfe", stream.read }
      Rota.open(path("a"), "rb") { |stream| assert_equal Encoding::BINARY, stream.read.encoding }
      Rota.open(path("a")) { |stream| assert_equal Encoding.default_external, stream.read.encoding }
      assert_raises(RuntimeError) { Rota.open(path("a"), "r:nonsense") } # warns, which raises in tests
      assert_raises(ArgumentError) { Rota.open(path("a"), "rt") }
    end
  end

  test_each_way :an_impossible_mode_cuts_no_file_and_makes_none do
    in_loop do
      file("a", "precious")
      ["", "w+:utf-16le", "w+:bom|utf-16", "w+:utf-32be:-", "z:utf-8"].each do |mode|
        assert_raises(ArgumentError, mode) { Rota.open(path("a"), mode) }
        assert_raises(ArgumentError, mode) { Rota.open(path("b"), mode) }
      end
      assert_equal ["precious", false], [File.read(path("a")), File.exist?(path("b"))]
    end
  end

  test_each_way :open_reads_modes_and_marks_as_file_does do
    in_loop do
      texts = ["\xEF\xBB\xBFh", "\xFF\xFEh\0", "\xFE\xFF\0h", "\xFF\xFE\0\0h\0\0\0", "\0\0\xFE\xFF\0\0\0h", ""]
      texts.each do |bytes|
        %w[r:bom|utf-8 r+b:BOM|utf-8 a+:bom|utf-8 rb:utf-8 rb:utf-16le].each do |mode|
          file("a", bytes.b)
          assert_equal outcome_of_open(File, mode), outcome_of_open(Rota, mode), [bytes, mode]
        end
      end
    end
  end

  # Ruby's File does the same with another file of the same contents.
  test_each_way :positions_are_those_of_a_file do
    in_loop do
      random = Random.new(Integer(ENV.fetch("ROTA_SEED", Minitest.seed)))
      contents = Array.new(300) { "line #{random.rand(10**random.rand(1..60))}\n" }.join
      %w[r+ w+ a+].each do |mode|
        File.open(file("theirs", contents), mode) do |theirs|
          Rota.open(file("ours", contents), mode) { |ours| compare(random, theirs, ours) }
        end
        assert_equal File.binread(path("theirs")), File.binread(path("ours")), mode
      end
    end
  end

  # Nothing lies before a file. (Ruby 4.0 forgets what was pushed back.)
  test_each_way :written_behind_more_pushed_back_than_lies_before do
    in_loop do
      [%i[pos], [:read], [:getbyte], [:write, "ab"]].product([[:write, "X"], [:write_nonblock, "X"]]) do |before, write|
        contents = [File, Rota].map do |opener|
          opener.open(file("a", "0123456789"), "r+b") do |io|
            io.public_send(*before)
            io.ungetbyte("a" * 20)
            assert_equal 1, io.public_send(*write)
            assert_match(/\Aa{20}/, io.read) if opener == Rota
          end
          File.binread(path("a"))
        end
        assert_equal contents[0], contents[1], [before, write].inspect
      end
    end
  end

  # In front of a file lies what was pushed back there. (Ruby 4.0 goes on behind what it has read ahead.)
  test_each_way :a_seek_from_more_pushed_back_than_lies_before do
    in_loop do
      [[0, -2, "XYZbcdef"], [1, -1, "YZbcdef"], [2, 0, "abcdef"], [4, 2, "cdef"]].each do |by, to, rest|
        Rota.open(file("a", "abcdef"), "r+b") do |stream|
          stream.getbyte
          stream.ungetbyte("XYZ")
          assert_equal [0, to, rest], [stream.seek(by, :CUR), stream.pos, stream.read]
        end
      end
      Rota.open(file("a", "abc"), "r+b") { |stream| assert_raises(Errno::EINVAL) { stream.seek(-1, :CUR) } }
    end
  end

  test_each_way :verbs_of_the_loop_write_where_a_stream_or_an_io_was_read_to do
    in_loop do |loop|
      writing = [
        ->(stream) { loop.write(stream, "TWO") }, ->(stream) { loop.write(stream, "T", "WO") },
        ->(stream) { loop.write_some(stream, "TWO") }, ->(stream) { loop.batch { |all| all.write(stream, "TWO") } },
        ->(stream) { from_pipe("TWO") { |source| loop.splice(source, stream, 3) } },
        ->(stream) { from_pipe("TWO") { |source| loop.copy(source, stream) } },
        ->(stream) { from_pipe("TWO") { |source| loop.double_splice(source, stream) } }
      ]
      writing.product([Rota, File]) do |write, opener|
        opener.open(file("a", "one\ntwo\nthree\n"), "r+") do |stream|
          stream.gets
          write.call(stream)
          assert_equal [7, "\nthree\n"], [stream.pos, stream.read]
        end
        assert_equal "one\nTWO\nthree\n", File.read(path("a"))
      end
    end
  end

  test_each_way :a_recorded_write_goes_where_reading_has_come_to_when_it_is_done do
    in_loop do |loop|
      [Rota, File].each do |opener|
        opener.open(file("a", "one\ntwo\nthree\nfour\n"), "r+") do |stream|
          loop.batch { |b| b.write(stream, "TWO").tap { stream.gets } }
          reading = Rota.spin { 2.times { stream.gets } }
          loop.chain { |c| [c.sleep(0.001), c.write(stream, "F")] }
          assert_equal [15, "our\n"], [stream.pos, stream.read]
          reading.await
        end
        assert_equal "one\nTWO\nthree\nFour\n", File.read(path("a"))
      end
      IO.popen("cat", "r+") { |cat| assert_equal [1, "x"], [loop.write(cat, "x"), cat.tap(&:close_write).read] }
    end
  end

  test_each_way :splice_to_goes_where_the_target_was_read_to do
    in_loop do
      Rota.open(file("a", "one\ntwo\nthree\n"), "r+") do |target|
        target.gets
        Rota.open(file("b", "TWO")) { |source| assert_equal 3, source.splice_to(target) }
        assert_equal "\nthree\n", target.read
      end
      assert_equal "one\nTWO\nthree\n", File.read(path("a"))
    end
  end

  # The write waits for what the cancelled read brings, and whoever reads meanwhile for the write.
  test_each_way :a_write_and_a_read_behind_a_cancelled_read do
    in_loop do
      Rota.open(file("a", "0123456789" * 10), "r+") do |stream|
        reader = Rota.spin { stream.read(10) }
        Rota.snooze
        reader.stop
        writer = Rota.spin { stream.write("W") }
        assert_equal 3, Rota.spin { stream.read(3) }.await.bytesize
        assert_equal 1, writer.await
      end
      assert_equal 1, File.read(path("a")).count("W")
    end
  end

  test_each_way :the_end_of_a_file_is_not_for_ever do
    in_loop do
      Rota.open(file("a", "one\n")) do |stream|
        assert_equal ["one\n", nil], [stream.gets, stream.gets]
        assert_predicate stream, :eof?
        File.write(path("a"), "two\n", mode: "a")
        assert_equal "two\n", stream.gets
        assert_raises(EOFError) { stream.read_nonblock(10) }
        File.write(path("a"), "three", mode: "a")
        assert_equal "three", stream.read_nonblock(10)
        assert_raises(EOFError) { stream.readpartial(1) }
      end
    end
  end

  test_each_way :what_inherits_the_descriptor_goes_on_where_the_stream_is do
    in_loop do
      Rota.open(path("a"), "w") do |stream|
        stream << "ours\n"
        system("echo theirs", out: stream.to_io)
        stream << "ours again\n"
      end
      assert_equal "ours\ntheirs\nours again\n", File.read(path("a"))
    end
  end

  test_each_way :what_has_no_positions do
    in_loop do
      Rota.pipe do |pipe|
        assert_raises(Errno::ESPIPE) { pipe.reader.pos }
        assert_raises(Errno::ESPIPE) { pipe.writer.seek(0) }
      end
      Rota.open(file("a")) do |stream|
        assert_raises(Errno::EINVAL) { stream.seek(-1) }
        assert_raises(TypeError) { stream.seek(0, :SOMEWHERE) }
      end
    end
  end

  test_each_way :large_and_sparse do
    in_loop do
      Rota.open(path("a"), "w+b") do |stream|
        stream.seek(5 << 30)
        stream.write("behind four gibibytes")
        assert_equal (5 << 30) + 21, stream.pos
        stream.seek(-10, :END)
        assert_equal "gibibytes", stream.read[1..]
        stream.rewind
        assert_equal 0, stream.lineno
        assert_equal "\0" * 100_000, stream.read(100_000)
      end
    end
  end

  # --- Files ---

  test_each_way :read_and_write do
    in_loop do
      assert_equal 6, Rota::Files.write(path("a"), "gr\u00fc\u00df")
      assert_equal "gr\u00fc\u00df", Rota::Files.read(path("a"))
      assert_equal 4, Rota::Files.write(path("a"), "more", "a")
      assert_equal "gr\u00fc\u00dfmore", Rota::Files.read(path("a"))
      assert_equal 2, Rota::Files.write(path("a"), 42)
      assert_equal "42", Rota::Files.read(path("a"))
      assert_equal "", Rota::Files.read(file("empty"))
      assert_equal Encoding.default_external, Rota::Files.read(path("empty")).encoding
      assert_match(/^Name:/, Rota::Files.read("/proc/self/status"))
      bytes = Random.new(3).bytes(1_234_567)
      assert_equal bytes, Rota::Files.read(file("large", bytes)).b
      assert_raises(Errno::ENOENT) { Rota::Files.read(path("none")) }
      assert_raises(Errno::EISDIR) { Rota::Files.read(@folder) }
      assert_raises(Errno::EEXIST) { Rota::Files.write(path("a"), "", "wx") }
      assert_raises(Errno::ENOSPC) { Rota::Files.write("/dev/full", "x") }
    end
  end

  test_each_way :each_line do
    in_loop do
      file("a", "one\ntwo\n\nlast")
      lines = []
      assert_nil(Rota::Files.each_line(path("a")) { |line| lines << line })
      assert_equal File.readlines(path("a")), lines
      assert_equal %w[one two] + ["", "last"], Rota::Files.each_line(path("a"), chomp: true).to_a
      assert_equal %W[one\ntwo\n\n last], Rota::Files.each_line(path("a"), "").to_a
      assert_equal "one\n", Rota::Files.each_line(path("a")).first
    end
  end

  test_each_way :read_all do
    in_loop do
      paths = (1..300).map { |i| file("file#{i}", "contents #{i}" * i) }
      found = Rota::Files.read_all(*paths, "/proc/self/comm")
      assert_equal paths.to_h { |path| [path, File.read(path)] }, found.slice(*paths)
      assert_equal paths, found.keys.first(300)
      assert_equal File.read("/proc/self/comm"), found["/proc/self/comm"]
      assert_empty Rota::Files.read_all
      assert_raises(Errno::ENOENT) { Rota::Files.read_all(*paths.first(3), path("none"), paths[5]) }
      assert_raises(Errno::EISDIR) { Rota::Files.read_all(paths.first, @folder) }
      assert_raises(TypeError) { Rota::Files.read_all(nil) }
    end
  end

  # As it does with more than 2 GiB.
  test_each_way :read_goes_on_where_the_kernel_gave_less do
    in_loop do
      Rota.loop.define_singleton_method(:pread) { |io, length, place| super(io, length / 2, place) }
      assert_equal "0123456789", Rota::Files.read(file("a", "0123456789"))
    end
  end

  test_each_way :watch_tells_what_happens do
    in_loop do
      told = []
      watcher = watching(told, @folder)
      File.write(path("a"), "x")
      File.rename(path("a"), path("b"))
      Dir.mkdir(path("sub"))
      File.unlink(path("b"))
      until_told { told.last&.type == :deleted }
      names = names_in(told) - [[:modified, "a"]]
      assert_equal [[:created, "a"], [:written, "a"], [:moved_from, "a"], [:moved_to, "b"], [:created, "sub"],
                    [:deleted, "b"]], names
      from, to = %i[moved_from moved_to].map { |type| told.find { |event| event.type == type } }
      assert_equal from.cookie, to.cookie
      assert_predicate(told.find { |event| event.path == path("sub") }, :directory?)
      assert_predicate told.first, :frozen?
      watcher.stop
    end
  end

  test_each_way :watch_tells_names_that_are_not_ascii do
    in_loop do
      Dir.mkdir(inner = path("gr\u00fc\u00df"))
      watcher = watching(told = [], @folder, inner, types: %i[created])
      file("n\u00e4me")
      File.write("#{inner}/n\u00e4me", "")
      until_told { told.size == 2 }
      watcher.stop
      assert_equal %W[#{@folder}/n\u00e4me #{inner}/n\u00e4me], told.map(&:path)
    end
  end

  test_each_way :watch_ends_when_nothing_is_left do
    in_loop do
      told = []
      watcher = watching(told, [file("a"), file("b")], types: %i[modified deleted])
      File.write(path("b"), "x", mode: "a")
      File.unlink(path("a"))
      File.unlink(path("b"))
      assert_nil watcher.await(5)
      assert_equal [[:modified, "b"], [:deleted, "a"], [:deleted, "b"]],
                   names_in(told)
    end
  end

  test_each_way :watch_refuses do
    in_loop do
      assert_raises(Errno::ENOENT) { Rota::Files.watch(path("none")) { nil } }
      assert_raises(ArgumentError) { Rota::Files.watch(@folder) }
      assert_raises(ArgumentError) { Rota::Files.watch { nil } }
      assert_raises(ArgumentError) { Rota::Files.watch(@folder, types: [:dreamt]) { nil } }
      told = Rota.move_on_after(0.01, with_value: :nothing) { Rota::Files.watch(@folder) { nil } }
      assert_equal :nothing, told
    end
  end

  # --- pipes and pairs ---

  test_each_way :a_pipe_is_both_ends do
    in_loop do
      pipe = Rota.pipe
      task = Rota.spin { pipe.read }
      pipe.puts("hello")
      pipe << "more"
      assert_nil pipe.close_write
      assert_equal "hello\nmore", task.await
      refute_predicate pipe, :closed?
      pipe.close
      assert_predicate pipe, :closed?
      assert_match(/\A#<Rota::Pipe /, pipe.inspect)
    end
  end

  test_each_way :a_pipe_can_be_taken_apart do
    in_loop do
      reader, writer = Rota.pipe
      assert_raises(IOError) { reader.write("x") }
      assert_raises(IOError) { writer.read }
      writer.write("x" * 100)
      writer.close
      assert_equal 100, reader.read.bytesize
      reader.close
      assert_equal(:value, Rota.pipe { :value })
      Rota.pipe do |pipe|
        pipe.capacity = 8000
        assert_equal 8192, pipe.capacity
        pipe.close_read
        assert_raises(Errno::EPIPE) { pipe.write("x") }
        io = pipe.writer.to_io
        assert_predicate io, :close_on_exec?
      end
    end
  end

  test_each_way :pairs_are_connected do
    in_loop do
      one, other = Rota.pair
      one.write("there")
      other.write("and back")
      assert_equal "there", other.readpartial(100)
      assert_equal "and back", one.readpartial(100)
      one.close
      assert_equal "", other.read
      other.close
    end
  end

  def test_no_descriptor_is_lost_for_want_of_them
    Rota.run do
      limit = Process.getrlimit(:NOFILE)
      Process.setrlimit(:NOFILE, Dir.children("/proc/self/fd").map(&:to_i).max + 20, limit.last)
      [-> { Rota.pipe.to_a }, -> { Rota.pair }, -> { [Rota.open("/dev/null")] }].each do |act|
        kept = []
        assert_raises(Errno::EMFILE) { loop { kept.concat(act.call) } }
        kept.each(&:close)
        Rota.snooze
      end
    ensure
      Process.setrlimit(:NOFILE, *limit)
    end
  end

  private

  STEPS = [
    [:gets], [:read, 10], [:read, 100], [:pos], [:write, "written"], [:rewind], [:eof?], [:getc], [:readlines],
    [:getbyte], [:lineno], [:write, "y" * 5000], [:read, 3000], [:write_nonblock, "at once"]
  ].freeze

  def from_pipe(bytes)
    IO.pipe do |reader, writer|
      writer << bytes
      writer.close
      yield reader
    end
  end

  def compare(random, theirs, ours)
    40.times do
      step = random.rand(4).zero? ? seek(random) : STEPS.sample(random: random)
      expected, actual = [theirs, ours].map do |io|
        value = caught(SystemCallError, EOFError) { io.public_send(*step) }
        value.is_a?(Exception) ? value.class : value
      end
      assert_equal [expected, theirs.pos], [actual, ours.pos], step.inspect
      theirs.flush
    end
  end

  def seek(random)
    whence = %i[SET CUR END].sample(random: random)
    [:seek, whence == :SET ? random.rand(12_000) : random.rand(-800..100), whence]
  end

  def watching(told, *paths, **options)
    ready = false
    task = Rota.spin { Rota::Files.watch(*paths, **options, ready: -> { ready = true }) { |event| told << event } }
    until_told { ready }
    task
  end

  def outcome_of_open(opener, mode)
    opener.open(path("a"), mode) do |io|
      [io.external_encoding, io.internal_encoding, io.binmode?, io.pos, io.read]
    end
  rescue ArgumentError, EncodingError => e
    close_all(path("a"))
    e.class
  end

  # File.open leaves it open to the collector when the mode and a mark do not go together.
  def close_all(path)
    ObjectSpace.each_object(File) { |file| file.close if !file.closed? && file.path == path }
  end

  def names_in(told) = told.map { |event| [event.type, File.basename(event.path)] }

  def until_told
    Rota.cancel_after(10) { Rota.sleep(0.001) until yield }
  end
end
