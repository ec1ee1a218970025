# frozen_string_literal: true

# also under: valgrind
require_relative "../test_helper"
require_relative "../support/disturbance"
require_relative "../support/files"

# What is done with files, interrupted at moments that a seed chooses: it has happened or not, no
# descriptor is left, no byte of a stream is lost, and no memory is written to later.
class FilesHostileTest < RotaTest
  include Disturbance
  time_limit 300

  # Asked aside, so that there is something to interrupt, and as it is without a wish.
  WAYS = FilesOfTest::WAYS
  ASIDE = WAYS.reject { |name, _| name.end_with?("at_once") }

  def setup
    super
    @folder = Dir.mktmpdir("rota-files-")
  end

  def teardown
    GC.stress = false
    super
    FileUtils.remove_entry(@folder)
  end

  WAYS.each do |way, options|
    define_method("test_opens_#{way}") { interrupt_opens(options) }
    define_method("test_names_#{way}") { interrupt_names(options) }
    define_method("test_batches_#{way}") { interrupt_batches(options) }
    define_method("test_streams_#{way}") { conserve(options) }
  end

  ASIDE.each do |way, options|
    define_method("test_memory_of_reads_#{way}") { reuse_memory_of_reads(options) }
    define_method("test_memory_of_writes_#{way}") { reuse_memory_of_writes(options) }
    define_method("test_compaction_#{way}") { compact_meanwhile(options) }
    define_method("test_closes_#{way}") { close_meanwhile(options) }
  end

  WAYS.slice("io_uring_at_once", "epoll_at_once").each do |way, options|
    define_method("test_watches_#{way}") { interrupt_watches(options) }
    define_method("test_fifos_#{way}") { interrupt_fifos(options) }
  end

  private

  def path(name) = File.join(@folder, name)

  def disturbed(random, &block)
    random.rand < 0.7 ? briefly(random, &block) : torn_down(random, &block)
  end

  def interrupt_opens(options)
    File.write(path("a"), "contents")
    repeat(options) do |random|
      disturbed(random) do
        stream = Rota.loop.open(path("a"), %w[r r+ w a].sample(random: random))
        Rota.loop.statx(stream)
      ensure
        stream&.close
      end
    end
  end

  # A name that was given is there, one that was taken is not, and one rename leaves one of two.
  def interrupt_names(options)
    File.write(path("a"), "contents" * 1000)
    repeat(options) do |random|
      from, to = File.exist?(path("a")) ? %w[a b] : %w[b a]
      disturbed(random) { Rota.loop.rename(path(from), path(to)) }
      settle
      assert_equal 1, %w[a b].count { |name| File.exist?(path(name)) }
      disturbed(random) { quietly { Rota.loop.mkdir(path("dir")) } }
      made = disturbed(random) { quietly { Rota.loop.unlink(path("dir"), directory: true) } }
      settle
      refute_path_exists path("dir") if made.eql?(0)
      disturbed(random) { quietly { Rota.loop.setxattr(path("a"), "user.a", "1" * 100) } }
      disturbed(random) { quietly { Rota.loop.getxattr(path("a"), "user.a") } }
      disturbed(random) { quietly { Rota.loop.link(path("a"), path("c")) } }
      disturbed(random) { quietly { Rota.loop.unlink(path("c")) } }
    end
  end

  # What a worker has begun cannot be taken back, but is waited for.
  def settle = Rota.snooze

  def interrupt_batches(options)
    paths = Array.new(20) { |i| path("file#{i}").tap { |path| File.write(path, "x" * i) } }
    repeat(options) do |random|
      disturbed(random) { Rota::Files.read_all(paths) }
      disturbed(random) do
        Rota.loop.batch do |b|
          paths.each { |path| b.open(path) }
          b.mkdir(path("dir"))
        end.grep(Rota::Stream).each(&:close)
      end
    end
  end

  # An interrupted read of a stream leaves its bytes to the next one.
  def conserve(options)
    bytes = Random.new(5).bytes(300_000)
    File.binwrite(path("a"), bytes)
    repeat(options) do |random|
      found = "".b
      Rota.open(path("a"), "rb") do |stream|
        until found.bytesize == bytes.bytesize
          got = disturbed(random) { stream.readpartial(1 + random.rand(60_000)) }
          found << got if got.is_a?(String)
        end
        assert_equal "", stream.read
      end
      assert_equal bytes, found
    end
  end

  PATTERN = "\xAA".b

  # The memory of a read that was interrupted is Ruby's again: whatever it holds from then on, the
  # kernel does not touch it.
  def reuse_memory_of_reads(options)
    File.binwrite(path("a"), "\x55".b * 400_000)
    repeat(options) do |random|
      File.open(path("a")) do |io|
        read_many(io, random).each { |memory| assert_equal PATTERN * memory.bytesize, memory }
      end
    end
  end

  def read_many(io, random)
    reused = Array.new(8) do
      length = [20, 500, 5000, 300_000].sample(random: random)
      buffer = "\0".b * length
      disturbed(random) { Rota.loop.pread(io, length, random.rand(1000), buffer) }
      disturbed(random) { Rota.loop.pread(io, length, random.rand(1000)) }
      [buffer.replace(PATTERN * length), PATTERN * length]
    end.flatten
    Rota.sleep(0.0005)
    reused
  end

  # ... and what is written is what it held then.
  def reuse_memory_of_writes(options)
    repeat(options) do |random|
      File.open(path("a"), "w+b") do |io|
        length = [20, 5000, 300_000].sample(random: random)
        buffer = "\x55".b * length
        disturbed(random) { Rota.loop.pwrite(io, buffer, 0) }
        buffer.replace(PATTERN * length)
        Rota.sleep(0.0003)
        refute_includes io.read, PATTERN
      end
    end
  end

  # Short Strings lie inside of their objects, which are moved.
  def compact_meanwhile(options)
    skip "this Ruby cannot compact" unless GC.respond_to?(:compact)

    File.write(path("a"), (0..9999).map { |i| format("%04d", i) }.join)
    Rota.run(**options) do
      File.open(path("a"), "r+") do |io|
        tasks = Array.new(20) { |i| Rota.spin { read_places(io, i) } }
        5.times do
          GC.compact
          Rota.snooze
        end
        tasks.each { |task| assert task.await }
      end
    end
  end

  def read_places(io, number)
    (0..20).all? do |i|
      place = (number * 400) + i
      buffer = +""
      Rota.loop.pread(io, 4, place * 4, buffer)
      Rota.loop.pwrite(io, buffer, place * 4)
      Rota.loop.readv(io, [first = +"..", second = +".."], place * 4)
      return false unless first + second == buffer

      Rota.loop.statx(path("a")).size == 40_000 && buffer == format("%04d", place)
    end
  end

  # Who waits on a file that is closed gets IOError, and its number is used again at once.
  def close_meanwhile(options)
    File.write(path("a"), "a" * 1000)
    File.write(path("b"), "b" * 1000)
    repeat(options) do |random|
      stream = Rota.loop.open(path("a"))
      tasks = Array.new(4) { Rota.spin { quietly { Rota.loop.pread(stream, 10, random.rand(900)) } } }
      random.rand(3).times { Rota.snooze }
      Rota.loop.close(stream)
      other = Rota.loop.open(path("b"))
      tasks.each { |task| assert_includes [nil, "a" * 10], task.await }
      other.close
    end
  end

  def interrupt_watches(options)
    repeat(options) do |random|
      told = []
      writer = Rota.spin { 3.times { |i| File.write(path("w#{i}"), "x") && Rota.snooze } }
      briefly(random) { Rota::Files.watch(@folder) { |event| told << event } }
      writer.await
      assert(told.all?(Rota::Files::Event))
    end
  end

  def interrupt_fifos(options)
    File.mkfifo(path("fifo"))
    repeat(options) do |random|
      briefly(random) do
        stream = Rota.loop.open(path("fifo"), %w[r w].sample(random: random))
      ensure
        stream&.close
      end
    end
  end
end
