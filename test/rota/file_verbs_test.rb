# frozen_string_literal: true

require "test_helper"
require "fcntl"
require_relative "../support/files"

# The verbs of the loop about files: their results and errors are the same whoever asks the kernel.
class FileVerbsTest < RotaTest
  include FilesOfTest

  GIB = 1 << 30
  O_DIRECTORY = 0o200000

  # Those who do what blocks take a number of their own, when there is something to do for the first time.
  def test_a_process_without_a_free_number_can_use_its_files
    out, errors, status = run_ruby(<<~'RUBY')
      require "rota"
      require "tempfile"
      Rota.run do
        file = Tempfile.new
        loop = Rota.loop
        GC.start # nothing of before is closed while there is no number left
        limit = Dir.children("/proc/self/fd").map(&:to_i).max + 1
        held = []
        Process.setrlimit(:NOFILE, limit, Process.getrlimit(:NOFILE).last)
        begin
          held << IO.for_fd(IO.sysopen("/dev/null")) while true
        rescue Errno::EMFILE
        end
        p loop.write(file.to_io, "x" * 100_000), loop.fsync(file.to_io), loop.ftruncate(file.to_io, 5)
        p loop.pread(file.to_io, 10, 0)
      end
    RUBY
    assert_predicate status, :success?, errors
    assert_equal "100000\n0\n0\n\"xxxxx\"\n", out
  end

  test_each_way :open_gives_a_stream do
    in_loop do |loop|
      file("a", "hello\nworld\n")
      stream = loop.open(path("a"))
      assert_equal "hello\n", stream.gets
      assert_equal "world\n", stream.read
      assert_predicate stream, :eof?
      assert_raises(IOError) { stream.write("x") }
      stream.close
    end
  end

  test_each_way :open_reads_modes_as_file_open_does do
    in_loop do |loop|
      %w[r r+ w w+ a a+ rb wb r+b wx].each do |mode|
        [nil, "old"].each do |contents|
          expected = contents_after(mode, contents) { |path| File.open(path, mode) { |io| io.write("new") } }
          actual = contents_after(mode, contents) do |path|
            stream = loop.open(path, mode)
            stream.write("new")
          ensure
            stream&.close
          end
          assert_equal expected, actual, [mode, contents].inspect
        end
      end
    end
  end

  test_each_way :open_takes_flags_permissions_and_a_directory do
    in_loop do |loop|
      loop.open(path("private"), File::WRONLY | File::CREAT | File::EXCL, 0o600).close
      assert_equal 0o600, File.stat(path("private")).mode & 0o777
      Dir.open(@folder) do |dir|
        loop.open("inside", "w", dir: dir).close
        directory = loop.open(@folder, File::RDONLY | O_DIRECTORY)
        loop.open("inside", dir: directory).close
        directory.close
      end
      assert_path_exists path("inside")
    end
  end

  test_each_way :open_is_closed_in_programs_and_blocks do
    in_loop do |loop|
      stream = loop.open(file("a"))
      io = IO.for_fd(stream.fileno, autoclose: false)
      assert_predicate io, :close_on_exec?
      assert_equal 0, io.fcntl(Fcntl::F_GETFL) & File::NONBLOCK
      stream.close
      asked = loop.open(path("a"), File::RDONLY | File::NONBLOCK)
      refute_equal 0, IO.for_fd(asked.fileno, autoclose: false).fcntl(Fcntl::F_GETFL) & File::NONBLOCK
      asked.close
    end
  end

  test_each_way :open_refuses do
    in_loop do |loop|
      file("a")
      assert_match(/open #{path('none')}/, assert_raises(Errno::ENOENT) { loop.open(path("none")) }.message)
      assert_raises(Errno::EISDIR) { loop.open(@folder, "w") }
      assert_raises(Errno::ENOTDIR) { loop.open(path("a/b")) }
      assert_raises(Errno::EEXIST) { loop.open(path("a"), File::WRONLY | File::CREAT | File::EXCL) }
      assert_raises(Errno::ELOOP) { File.symlink("l", path("l")) && loop.open(path("l")) }
      assert_raises(ArgumentError) { loop.open(path("a"), "q") }
      assert_raises(ArgumentError) { loop.open(path("a"), "r:utf-16le") }
      assert_raises(ArgumentError) { loop.open("a\0b") }
      assert_raises(TypeError) { loop.open(nil) }
      assert_raises(ArgumentError) { loop.open(path("a"), colour: 1) }
    end
  end

  test_each_way :fifos_wait_for_their_other_end do
    in_loop do |loop|
      File.mkfifo(path("fifo"))
      reader = Rota.spin { loop.open(path("fifo")) }
      Rota.sleep(0.005)
      assert_predicate reader, :alive?
      writer = loop.open(path("fifo"), "w")
      writer.write("through")
      writer.close
      stream = reader.await
      assert_equal "through", stream.read
      stream.close

      writer = Rota.spin { loop.open(path("fifo"), "w") }
      Rota.sleep(0.005)
      stream = loop.open(path("fifo"))
      writer.await.close
      assert_equal "", stream.read
      stream.close
      Rota.move_on_after(0.01) { loop.open(path("fifo")) }
      Rota.move_on_after(0.01) { loop.open(path("fifo"), "w") }
    end
  end

  # Its number is another directory's by the time that the other end comes.
  test_each_way :a_directory_that_is_closed_while_a_fifo_in_it_waits do
    in_loop do |loop|
      meant, other = %w[meant other].map { |name| path(name).tap { |folder| Dir.mkdir(folder) } }
      [meant, other].each { |folder| File.mkfifo("#{folder}/fifo") }
      directory = Dir.new(meant)
      number = directory.fileno
      task = Rota.spin { loop.open("fifo", "w", dir: directory) }
      Rota.sleep(0.004)
      directory.close
      reused = Dir.new(other)
      assert_equal number, reused.fileno
      ends = [other, meant].map { |folder| File.open("#{folder}/fifo", File::RDONLY | File::NONBLOCK) }
      stream = task.await
      assert_equal "#{meant}/fifo", File.readlink("/proc/self/fd/#{stream.fileno}")
      [reused, stream, *ends].each(&:close)
    end
  end

  test_each_way :statx_tells_what_ruby_tells do
    in_loop do |loop|
      file("a", "x" * 5000)
      File.symlink("a", path("link"))
      File.mkfifo(path("fifo"))
      [path("a"), path("link"), path("fifo"), @folder, "/dev/null", "/dev/tty"].each do |path|
        assert_same_stat File.stat(path), loop.statx(path)
        assert_same_stat File.lstat(path), loop.statx(path, follow: false)
      end
      File.open(path("a")) { |io| assert_same_stat io.stat, loop.statx(io) }
      Dir.open(@folder) { |dir| assert_equal 5000, loop.statx("a", dir: dir).size }
      assert_raises(Errno::ENOENT) { loop.statx(path("none")) }
      assert_raises(Errno::EBADF) { loop.statx(987_654) }
      assert_raises(TypeError) { loop.statx(nil) }
    end
  end

  def test_a_stat_is_a_value
    Rota.run do
      one, other = Array.new(2) { Rota.loop.statx("/proc/self/exe") }
      assert_equal one, other
      assert_equal one.hash, other.hash
      refute_equal one, Rota.loop.statx("/")
      assert_predicate one, :frozen?
      assert_kind_of Array, one.attributes
      assert_equal one.size, one.to_h[:size]
      assert_match(/\A#<Rota::Stat file \d+ size=\d+ /, one.inspect)
      assert_raises(NoMethodError) { Rota::Stat.new }
    end
  end

  test_each_way :names_are_made_and_removed do
    in_loop do |loop|
      assert_equal 0, loop.mkdir(path("dir"), 0o700)
      assert_equal 0o700, File.stat(path("dir")).mode & 0o777
      file("dir/a", "contents" * 10_000)
      assert_equal 0, loop.link(path("dir/a"), path("b"))
      assert_equal 2, File.stat(path("b")).nlink
      assert_equal 0, loop.symlink("dir/a", path("soft"))
      assert_equal "dir/a", File.readlink(path("soft"))
      assert_equal 0, loop.rename(path("dir/a"), path("c"))
      assert_equal 0, loop.rename(path("b"), path("d"))
      assert_equal 0, loop.unlink(path("dir"), directory: true)
      %w[c d soft].each { |name| assert_equal 0, loop.unlink(path(name)) }
      assert_empty Dir.children(@folder)
    end
  end

  test_each_way :names_are_looked_up_in_directories do
    in_loop do |loop|
      Dir.mkdir(path("from"))
      Dir.mkdir(path("to"))
      Dir.open(path("from")) do |from|
        Dir.open(path("to")) do |to|
          loop.mkdir("sub", dir: from)
          loop.symlink("nowhere", "soft", dir: from)
          file("from/a", "contents")
          loop.rename("a", "b", dir: from, to_dir: to)
          loop.link("b", "c", dir: to)
          loop.link("c", "d", dir: to, to_dir: from)
          loop.unlink("b", dir: to)
          loop.unlink("sub", dir: from, directory: true)
        end
      end
      assert_equal %w[d soft], Dir.children(path("from")).sort
      assert_equal %w[c], Dir.children(path("to"))
    end
  end

  test_each_way :rename_replaces_or_not do
    in_loop do |loop|
      one = file("one", "1")
      two = file("two", "22")
      assert_raises(Errno::EEXIST) { loop.rename(one, two, replace: false) }
      loop.rename(one, two, exchange: true)
      assert_equal %w[22 1], [one, two].map { |path| File.read(path) }
      loop.rename(one, two)
      assert_equal ["two"], Dir.children(@folder)
    end
  end

  test_each_way :names_are_refused do
    in_loop do |loop|
      file("a")
      Dir.mkdir(path("full"))
      file("full/b")
      assert_raises(Errno::ENOENT) { loop.unlink(path("none")) }
      assert_raises(Errno::EISDIR) { loop.unlink(path("full")) }
      assert_raises(Errno::ENOTEMPTY) { loop.unlink(path("full"), directory: true) }
      assert_raises(Errno::EEXIST) { loop.mkdir(path("full")) }
      assert_raises(Errno::EEXIST) { loop.link(path("a"), path("full/b")) }
      assert_raises(Errno::EEXIST) { loop.symlink("x", path("a")) }
      assert_raises(Errno::ENOENT) { loop.rename(path("none"), path("b")) }
      assert_raises(Errno::ENAMETOOLONG) { loop.mkdir(path("n" * 300)) }
      assert_raises(Errno::EBADF) { loop.unlink("a", dir: 987_654) }
      assert_raises(Errno::EXDEV) { loop.link(path("a"), "/dev/shm/rota-#{$$}") }
    end
  end

  def test_without_the_right_nothing_is_done
    skip "needs root, to be somebody else" unless Process.uid.zero?

    file("a")
    File.chmod(0o555, @folder)
    script = <<~RUBY
      require "rota"
      Process::Sys.setgid(65_534)
      Process::Sys.setuid(65_534)
      [{}, { slow_files: true }].each do |options|
        Rota.run(**options) do
          [-> { Rota.loop.open(ARGV[0] + "/a", "w") }, -> { Rota.loop.unlink(ARGV[0] + "/a") },
           -> { Rota.loop.mkdir(ARGV[0] + "/b") }].each do |act|
            act.call
            puts "done"
          rescue Errno::EACCES
            puts "refused"
          end
        end
      end
    RUBY
    out, err, = run_ruby(script, @folder)
    assert_equal "refused\n" * 6, out, err
  end

  test_each_way :pread_and_pwrite_use_places do
    in_loop do |loop|
      File.open(file("a", "0123456789"), "r+b") do |io|
        assert_equal "345", loop.pread(io, 3, 3)
        assert_equal "89", loop.pread(io, 100, 8)
        assert_nil loop.pread(io, 1, 10)
        assert_equal "", loop.pread(io, 0, 3)
        assert_equal 2, loop.pwrite(io, "xy", 1)
        assert_equal 3, loop.pwrite(io, "end", 20)
        assert_equal 0, io.pos
      end
      assert_equal "0xy3456789#{"\0" * 10}end", File.binread(path("a"))
    end
  end

  test_each_way :pread_fills_strings_and_buffers do
    in_loop do |loop|
      File.open(file("a", "0123456789")) do |io|
        string = +"abc"
        assert_equal 4, loop.pread(io, 4, 2, string, -1)
        assert_equal "abc2345", string
        assert_equal 2, loop.pread(io, 2, 0, string, 1)
        assert_equal "a01", string
        buffer = IO::Buffer.new(16)
        assert_equal 10, loop.pread(io, 100, 0, buffer, 3)
        assert_equal "\0\0\x000123456789\0\0\0", buffer.get_string(0, 16)
        assert_nil loop.pread(io, 4, 10, string)
        assert_raises(ArgumentError) { loop.pread(io, 4, 2, string, 100) }
        assert_raises(FrozenError) { loop.pread(io, 4, 2, "frozen") }
        assert_raises(TypeError) { loop.pread(io, 4, 2, :symbol) }
        buffer.free
      end
    end
  end

  test_each_way :places_behind_four_gibibytes do
    in_loop do |loop|
      File.open(path("sparse"), "w+b") do |io|
        [5 * GIB, (4 * GIB) + 1, (1 << 42) - 7].each do |place|
          assert_equal 4, loop.pwrite(io, "here", place)
          assert_equal "here", loop.pread(io, 10, place).byteslice(0, 4)
          assert_equal "\0her", loop.read(io, 4, nil, 0, place - 1)
        end
        assert_nil loop.pread(io, 1, 1 << 43)
        loop.ftruncate(io, (6 * GIB) + 3)
        assert_equal (6 * GIB) + 3, loop.statx(io).size
        loop.fallocate(io, 5 * GIB, 4096, :punch_hole)
        assert_equal "\0" * 4, loop.pread(io, 4, 5 * GIB)
      end
    end
  end

  test_each_way :large_transfers_are_whole do
    bytes = Random.new(1).bytes((5 << 20) + 3)
    in_loop do |loop|
      File.open(path("a"), "w+b") do |io|
        assert_equal bytes.bytesize, loop.pwrite(io, bytes, 11)
        assert_equal bytes, loop.pread(io, bytes.bytesize + 100, 11)
      end
    end
  end

  test_each_way :files_that_bypass_the_page_cache do
    in_loop do |loop|
      stream = loop.open(path("direct"), File::RDWR | File::CREAT | File::DIRECT)
      IO::Buffer.new(8192, IO::Buffer::MAPPED).tap do |buffer|
        buffer.set_string("d" * 8192)
        assert_equal 8192, loop.pwrite(stream, buffer, 0)
        buffer.clear
        assert_equal 8192, loop.pread(stream, 8192, 0, buffer)
        assert_equal "d" * 8192, buffer.get_string(0, 8192)
        buffer.free
      end
      stream.close
    rescue Errno::EINVAL
      pass # no file system for that
    end
  end

  test_each_way :cold_files_are_read do
    bytes = Random.new(2).bytes(300_000)
    in_loop do |loop|
      File.open(file("cold", bytes), "r+b") do |io|
        io.fsync
        loop.fadvise(io, :dontneed)
        assert_equal bytes.byteslice(100_000, 5000), loop.pread(io, 5000, 100_000)
        loop.fadvise(io, :dontneed)
        loop.pread(io, 10, 0) # warms a part
        assert_equal bytes, loop.pread(io, 400_000, 0)
      end
    end
  end

  test_each_way :what_has_no_places do
    in_loop do |loop|
      IO.pipe do |reader, writer|
        assert_raises(Errno::ESPIPE) { loop.pread(reader, 1, 0) }
        assert_raises(Errno::ESPIPE) { loop.pwrite(writer, "x", 0) }
        assert_raises(Errno::ESPIPE) { loop.fadvise(reader, :normal) }
        assert_raises(Errno::EINVAL) { loop.fsync(reader) }
        assert_raises(Errno::EINVAL) { loop.ftruncate(writer, 0) }
      end
      File.open(file("a")) do |io|
        assert_raises(ArgumentError) { loop.pread(io, 1, -1) }
        assert_raises(ArgumentError) { loop.pread(io, -1, 0) }
        assert_raises(TypeError) { loop.pread(io, 1, nil) }
        assert_raises(ArgumentError) { loop.pwrite(io, "x", -1) }
        assert_raises(Errno::EBADF) { loop.pwrite(io, "x", 0) }
        assert_raises(RangeError) { loop.pread(io, 1, 1 << 70) }
      end
      File.open(@folder) { |io| assert_raises(Errno::EISDIR) { loop.pread(io, 1, 0) } }
    end
  end

  test_each_way :a_full_disk do
    in_loop do |loop|
      File.open("/dev/full", "w") { |io| assert_raises(Errno::ENOSPC) { loop.pwrite(io, "x", 0) } }
    end
  end

  test_each_way :room_is_reserved_cut_and_synchronised do
    in_loop do |loop|
      File.open(path("a"), "w+b") do |io|
        assert_equal 0, loop.fallocate(io, 0, 10_000)
        assert_equal 10_000, io.size
        assert_equal 0, loop.fallocate(io, 10_000, 10_000, :keep_size)
        assert_equal 10_000, io.size
        assert_equal 0, loop.ftruncate(io, 5)
        assert_equal 5, io.size
        assert_equal 0, loop.fsync(io)
        assert_equal 0, loop.fsync(io, data_only: true)
        assert_raises(ArgumentError) { loop.fallocate(io, 0, -1) }
        assert_raises(ArgumentError) { loop.fallocate(io, 0, 1, :backwards) }
        assert_raises(Errno::EINVAL) { loop.fallocate(io, 0, 0) }
        assert_raises(ArgumentError) { loop.ftruncate(io, -1) }
      end
    end
  end

  test_each_way :advice do
    in_loop do |loop|
      File.open(file("a", "x" * 10_000)) do |io|
        %i[normal sequential random willneed dontneed noreuse].each { |word| assert_equal 0, loop.fadvise(io, word) }
        assert_equal 0, loop.fadvise(io, :willneed, 100, 5 * GIB)
        assert_raises(ArgumentError) { loop.fadvise(io, :loudly) }
        assert_raises(Errno::EINVAL) { loop.fadvise(io, 99) }
      end
    end
  end

  test_each_way :extended_attributes do
    in_loop do |loop|
      file("a")
      File.open(path("a")) do |io|
        assert_equal 0, loop.setxattr(path("a"), "user.one", "1\0\xff".b)
        assert_equal "1\0\xff".b, loop.getxattr(io, "user.one")
        assert_equal 0, loop.setxattr(io, "user.two", "")
        assert_equal "", loop.getxattr(path("a"), "user.two")
        assert_raises(Errno::EEXIST) { loop.setxattr(io, "user.one", "2", :create) }
        assert_raises(Errno::ENODATA) { loop.setxattr(io, "user.three", "3", :replace) }
        assert_raises(Errno::ENODATA) { loop.getxattr(path("a"), "user.three") }
        assert_raises(Errno::E2BIG) { loop.setxattr(io, "user.much", "x" * 65_537) }
        assert_raises(ArgumentError) { loop.setxattr(io, "user.one", "1", :often) }
        assert_raises(ArgumentError) { loop.getxattr(io, "user.\0") }
      end
    end
  rescue Errno::EOPNOTSUPP
    pass # no file system for that
  end

  test_each_way :a_string_that_readv_fills_is_looked_at_meanwhile do
    in_loop do |loop|
      IO.pipe do |reader, writer|
        string = "aaaa".encode("UTF-8")
        task = Rota.spin { loop.readv(reader, [string]) }
        Rota.snooze
        assert_predicate string, :ascii_only?
        writer.write("éé")
        task.await
        refute_predicate string, :ascii_only?
        assert_equal 2, string.length
      end
    end
  end

  test_each_way :readv_fills_buffers_one_after_the_other do
    in_loop do |loop|
      File.open(file("a", "0123456789")) do |io|
        strings = [+"ab", +"", +"cdef", +"ghijkl"]
        assert_equal 10, loop.readv(io, strings, 0)
        assert_equal ["01", "", "2345", "6789kl"], strings
        buffer = IO::Buffer.new(4)
        assert_equal 6, loop.readv(io, [buffer, string = +"xy"])
        assert_equal %w[0123 45], [buffer.get_string, string]
        assert_equal 4, loop.readv(io, [+"zzzzz"])
        assert_nil loop.readv(io, [string])
        assert_equal 0, loop.readv(io, [])
        assert_raises(RuntimeError) { loop.readv(io, [string, string]) }
        string << "unlocked"
        assert_raises(FrozenError) { loop.readv(io, [+"a", "frozen"], 0) }
        assert_raises(TypeError) { loop.readv(io, [:symbol]) }
        assert_raises(TypeError) { loop.readv(io, 5) }
        assert_raises(ArgumentError) { loop.readv(io, Array.new(2000) { +"x" }) }
        buffer.free
      end
      IO.pipe { |reader, _| assert_raises(Errno::ESPIPE) { loop.readv(reader, [+"x"], 0) } }
    end
  end

  test_each_way :readv_waits_and_loses_nothing do
    in_loop do |loop|
      IO.pipe do |reader, writer|
        task = Rota.spin { loop.readv(reader, [one = +"....", +"...."]).then { |count| [count, one] } }
        Rota.sleep(0.002)
        writer.write("abcdef")
        assert_equal [6, "abcd"], task.await
        torn = Rota.spin { catch(:out) { loop.readv(reader, [+"..", +".."]) } }
        Rota.sleep(0.002)
        writer.write("ghi")
        torn.interject { throw :out }
        torn.await
        writer.write("j")
        assert_equal "ghij", Array.new(2) { loop.read(reader, 3) || "" }.join
      end
    end
  end

  test_each_way :read_each_reads_to_the_end do
    in_loop do |loop|
      File.open(file("a", "x" * 40_000)) do |io|
        found = []
        assert_same loop, loop.read_each(io, 16_384) { |bytes| found << bytes.bytesize }
        assert_equal [16_384, 16_384, 7232], found
        io.rewind
        loop.read_each(io) { |_bytes| break }
      end
      assert_raises(ArgumentError) { loop.read_each($stdin, 0) { nil } }
      assert_raises(LocalJumpError) { loop.read_each($stdin) }
    end
  end

  # Into the page cache, however many others are ready; more is the engine's.
  def test_a_little_is_written_and_copied_by_calls
    Rota.run do
      before = Rota.loop.stats[:entries]
      File.open(path("log"), "w+") do |log|
        tasks = Array.new(8) { |i| Rota.spin { 4.times { Rota.loop.write(log, "line #{i}\n") } } }
        tasks.each(&:await)
        assert_equal 32, File.read(path("log")).lines.grep(/\Aline \d\n\z/).size
      end
      stream = Rota.loop.open(path("log"), File::WRONLY | File::APPEND)
      stream.write("last")
      stream.close
      File.open(path("log")) do |log|
        File.open(path("copy"), "w") { |copy| assert_equal 32 * 7 + 4, Rota.loop.copy(log, copy) }
      end
      assert_operator Rota.loop.stats[:entries] - before, :<, 10
      assert_equal File.read(path("log")), File.read(path("copy"))
    end
  end

  # What has to reach the disk first is nobody's to wait for in a call.
  def test_a_file_that_is_written_synchronously
    Rota.run do
      File.open(path("log"), File::WRONLY | File::CREAT | File::DSYNC) do |log|
        before = Rota.loop.stats[:entries]
        assert_equal 4, Rota.loop.write(log, "line")
        assert_operator Rota.loop.stats[:entries], :>, before if Engines.ring?
      end
      assert_equal "line", File.read(path("log"))
    end
  end

  test_each_way :many_at_once do
    in_loop do |loop|
      tasks = Array.new(100) do |i|
        Rota.spin do
          stream = loop.open(path("file#{i % 10}"), "a")
          loop.statx(stream)
          loop.pwrite(stream, "x", 0)
        ensure
          stream&.close
        end
      end
      tasks.each(&:await)
      Rota.snooze
      assert_equal [10] * 10, (0..9).map { |i| File.size(path("file#{i}")) }
    end
  end

  test_each_way :batches do
    in_loop do |loop|
      file("a", "contents")
      results = loop.batch do |b|
        b.open(path("a"))
        b.open(path("none"))
        b.statx(path("a"))
        b.mkdir(path("dir"))
        b.setxattr(path("a"), "user.a", "1")
        b.symlink("a", path("soft"))
        b.unlink(path("none"))
      end
      stream, missing, stat, *rest = results
      assert_kind_of Errno::ENOENT, missing
      assert_equal 8, stat.size
      assert_equal [0, 0, 0], rest.first(3)
      read, written, = loop.batch do |b|
        b.pread(stream, 8, 0)
        b.pwrite(stream, "x", 0)
        b.fsync(stream)
      end
      assert_equal "contents", read
      assert_kind_of Errno::EBADF, written
      stream.close
      chained = loop.chain do |c|
        c.rename(path("a"), path("b"))
        c.link(path("b"), path("c"))
        c.unlink(path("b"))
      end
      assert_equal [0, 0, 0], chained
      assert_equal %w[c dir soft], Dir.children(@folder).sort
    end
  end

  # The directory's number may be another file's by the time a worker looks it up.
  test_each_way :a_directory_that_is_closed_meanwhile do
    in_loop do |loop|
      Dir.mkdir(path("dir"))
      20.times do |i|
        dir = Dir.open(path("dir"))
        task = Rota.spin { caught(SystemCallError, IOError) { loop.mkdir("new#{i}", dir: dir) } }
        Rota.snooze
        dir.close
        other = Dir.open(@folder)
        task.await
        other.close
      end
      assert_equal ["dir"], Dir.children(@folder)
    end
  end

  private

  def contents_after(mode, contents)
    contents ? file("m", contents) : FileUtils.rm_f(path("m"))
    error = caught(SystemCallError, IOError) { yield path("m") }
    [(error.class if error.is_a?(Exception)), (File.binread(path("m")) if File.exist?(path("m"))), mode]
  end

  NUMBERS = %i[size mode nlink uid gid ino blocks blksize dev dev_major dev_minor rdev ftype
               file? directory? symlink? pipe? socket? chardev? blockdev? zero? mtime ctime].freeze

  def assert_same_stat(expected, actual)
    NUMBERS.each { |name| assert_equal expected.public_send(name), actual.public_send(name), name }
    assert_equal expected.rdev_major, actual.rdev_major
    assert_kind_of Time, actual.atime
    assert_kind_of Time, actual.birthtime if actual.birthtime
  end
end
