# frozen_string_literal: true

require "test_helper"
require "support/transports"
require "tempfile"

# Copies, batches and chains that are cut short at every possible moment: what was sent arrives, once
# and in order, whoever took it over.
class MovingTest < RotaTest
  SECONDS = Float(ENV.fetch("ROTA_HOSTILE_SECONDS", "0.4"))
  BYTES = Random.new(3).bytes(1_500_000).freeze

  ROWS = Engines::ALL.flat_map do |engine|
    [{ engine: engine }, ({ engine: engine, entries: 2 } if engine == :io_uring)].compact
  end

  ENDS = {
    pipe: -> { IO.pipe },
    unix: -> { UNIXSocket.pair },
    tcp: -> { Transports.tcp("127.0.0.1") }
  }.freeze

  def setup
    super
    @random = Random.new(@seed = Integer(ENV.fetch("ROTA_SEED", Minitest.seed)))
  end

  ENDS.keys.product(ENDS.keys).each do |source, target|
    define_method(:"test_copies_from_#{source}_to_#{target}_that_are_cut") do
      ROWS.each { |options| conserve(source, target, options) }
    end
  end

  def test_copies_of_a_file_that_are_cut
    Tempfile.create("rota-moving") do |file|
      file.binmode
      file.syswrite(BYTES)
      ROWS.each do |options|
        file.sysseek(0)
        arrived = run_in(options) do |loop|
          reader, writer = keep_ends(:unix)
          reading = Rota.spin { read_slowly(loop, reader) }
          nil until cut { loop.copy(file, writer) }
          writer.close
          reading.await
        end
        assert_same BYTES, arrived, options
      end
    end
  end

  def test_copies_between_files_that_are_cut
    ROWS.each do |options|
      Tempfile.create("rota-moving") do |source|
        Tempfile.create("rota-moving") do |target|
          source.binmode
          4.times { source.syswrite(BYTES) }
          source.sysseek(0)
          run_in(options) { |loop| nil until cut { loop.copy(source, target) } }
          assert_same BYTES * 4, File.binread(target.path), options
        end
      end
    end
  end

  # The reading part of a copy that reads and writes is as much taken as what sits in a pipe.
  def test_copies_without_splice_that_are_cut
    ROWS.each do |options|
      Tempfile.create("rota-moving") do |file|
        File.open(file.path, "ab") do |target|
          run_in(options) do |loop|
            reader, writer = keep_ends(:unix)
            Rota.spin { write_by_chance(loop, writer) }
            nil until cut { loop.copy(reader, target) }
          end
        end
        assert_same BYTES, File.binread(file.path), options
      end
    end
  end

  # No descriptor is left for a pipe.
  def test_copies_without_a_pipe
    ROWS.each do |options|
      arrived = run_in(options) do |loop|
        (from, writer), (reader, to) = Array.new(2) { keep_ends(:unix) }
        Rota.spin { write_by_chance(loop, writer) }
        reading = Rota.spin { read_slowly(loop, reader) }
        without_descriptors { assert_equal BYTES.bytesize, loop.copy(from, to) }
        to.close
        reading.await
      end
      assert_same BYTES, arrived, options
    end
  end

  def test_batches_and_chains_that_are_cut
    ROWS.each do |options|
      found = +"".b
      run_in(options) do |loop|
        reader, writer = keep_ends(:unix)
        silent, = keep_ends(:pipe)
        Rota.spin { write_by_chance(loop, writer) }
        cut { found << read_grouped(loop, reader, silent) } until found.bytesize == BYTES.bytesize
      end
      assert_same BYTES, found, options
    end
  end

  def test_moved_and_collected_in_flight
    ROWS.each do |options|
      run_in(options) do |loop|
        (from, writer), (reader, to) = Array.new(2) { keep_ends(:unix) }
        copying = Rota.spin { loop.copy(from, to).tap { to.close } }
        batching = Rota.spin { loop.batch { |b| 3.times { b.read(keep_ends(:pipe)[0], 40) } } }
        chaining = Rota.spin { loop.chain { |c| 3.times { c.read(keep_ends(:pipe)[0], 40) } } }
        Rota.snooze until [copying, batching, chaining].all? { |task| task.state == :waiting }
        3.times { GC.start && GC.compact }
        loop.write(writer, "abc")
        writer.close
        assert_equal ["abc", 3], [loop.read(reader, 10), copying.await]
        [batching, chaining].each(&:terminate)
      end
    end
  end

  private

  def run_in(options)
    @ends = []
    Rota.run(**options) { yield Rota.loop }
  ensure
    @ends.each { |io| io.close unless io.closed? }
  end

  def keep_ends(kind) = ENDS.fetch(kind).call.tap { |ends| @ends.concat(ends) }

  def conserve(source, target, options)
    arrived = run_in(options) do |loop|
      (from, writer), (reader, to) = [source, target].map { |kind| keep_ends(kind) }
      Rota.spin { write_by_chance(loop, writer) }
      reading = Rota.spin { read_slowly(loop, reader) }
      nil until cut { loop.copy(from, to) }
      to.close
      reading.await
    end
    assert_same BYTES, arrived, options
  end

  # True when it came to its own end. Sometimes cut by a deadline, sometimes by a throw.
  def cut(&block)
    limit = @random.rand * 0.002
    return Rota.move_on_after(limit) { block.call.then { true } } if @random.rand(3).positive?

    task = Rota.current
    armed = true
    throwing = Rota.after(limit) { task.interject { throw :cut if armed } }
    catch(:cut) { block.call.then { true } }
  ensure
    armed = false
    throwing&.terminate
    throwing&.await
  end

  def read_grouped(loop, reader, silent)
    count = 1 + @random.rand(50_000)
    case @random.rand(3)
    when 0
      loop.batch { |b| b.read(reader, count) }.first
    when 1
      Rota.move_on_after(@random.rand * 0.001, with_value: "") do
        loop.batch do |b|
          b.read(silent, 1)
          b.read(reader, count)
        end.last
      end
    else
      Rota.move_on_after(@random.rand * 0.001, with_value: "") do
        loop.chain do |c|
          c.read(reader, 1)
          c.read(reader, count)
        end.join
      end
    end
  end

  def write_by_chance(loop, writer)
    place = 0
    while place < BYTES.bytesize
      place += loop.write(writer, BYTES.byteslice(place, 1 + @random.rand(90_000)))
      Rota.sleep(0.0003) if @random.rand(4).zero?
    end
    writer.close
  end

  def read_slowly(loop, reader)
    found = +"".b
    while (bytes = loop.read(reader, 1 + @random.rand(60_000)))
      found << bytes
      Rota.sleep(0.0002) if @random.rand(4).zero?
    end
    found
  end

  def without_descriptors
    soft, hard = Process.getrlimit(:NOFILE)
    highest = Leaks.descriptors.keys.max
    Process.setrlimit(:NOFILE, highest + 1, hard)
    fill = []
    loop { fill << IO.sysopen(File::NULL) }
  rescue Errno::EMFILE
    yield
  ensure
    Process.setrlimit(:NOFILE, soft, hard)
    fill.each { |number| IO.for_fd(number).close }
  end

  def assert_same(expected, actual, options)
    return pass if expected == actual

    place = (0...[expected.bytesize, actual.bytesize].min).find { |i| expected.getbyte(i) != actual.getbyte(i) }
    flunk "#{options}, seed #{@seed}: #{actual.bytesize} bytes instead of #{expected.bytesize}, " \
          "different from #{place.inspect} on"
  end
end
