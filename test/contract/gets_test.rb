# frozen_string_literal: true

require_relative "../test_helper"

# Rota::Stream reads as MRI's IO does: the same bytes, cut into pieces that come one by one, are read
# from a pipe by IO and from a stream by the same calls, and whatever one of them returns or raises the
# other must, too. A failure names its seed; ROTA_DIFFERENTIAL_SEED runs that one alone, and
# ROTA_DIFFERENTIAL_CASES says how many are run.
class GetsTest < RotaTest
  time_limit 600

  CASES = Integer(ENV.fetch("ROTA_DIFFERENTIAL_CASES", "6000"))
  SEEDS = ENV.key?("ROTA_DIFFERENTIAL_SEED") ? [Integer(ENV["ROTA_DIFFERENTIAL_SEED"])] : (1..CASES)

  # What makes lines, what nearly does, and characters that a limit may cut.
  MORSELS = ["a", "bc", "\n", "\n", "\n\n", "\r\n", "\r", "\n\r\n", ";", "ab", "aab", "é", "日本", "😀",
             "\xFF", "\xE3\x81", "\xF0\x9F", "\0", "x" * 40].map { |text| text.dup.force_encoding("BINARY") }.freeze
  SEPARATORS = [nil, "", "\n", "\r\n", ";", "ab", "aab", "é", "本", "\n\n", "\n\n\n", "xx", "\r", "\xFF", "é".b,
                "é".encode("ISO-8859-1"), "\n".encode("UTF-16LE")].freeze
  LIMITS = [0, 1, 2, 3, 4, 5, 7, 16, 100, 5000, -1, nil].freeze
  LENGTHS = [0, 1, 2, 3, 10, 100, 4096, 70_000, -1].freeze

  # One side of the comparison. The answer of a call is a value that == compares with the other's.
  class Reader
    def initialize(io) = @io = io

    def call(name, *args, **options)
      buffer = String.new("something", encoding: "ISO-8859-1") if options.delete(:buffer)
      args << buffer if buffer
      [describe(@io.public_send(name, *args, **options)), buffer && describe(buffer)]
    rescue ArgumentError, TypeError, IOError, SystemCallError => e
      [e.class, e.message, buffer && describe(buffer)]
    end

    # The first lines only, so that the rest is read by another method.
    def lines(count, *args, **options)
      found = []
      return call(:each_line, *args, **options) if count.zero?

      @io.each_line(*args, **options) do |line|
        found << describe(line)
        break if found.size >= count
      end
      found
    rescue ArgumentError => e
      [e.class, e.message]
    end

    private

    def describe(value)
      case value
      when String then [value.b, value.encoding]
      when nil, true, false then value
      else value.instance_of?(@io.class) ? :self : value.class.to_s
      end
    end
  end

  SEEDS.each_slice(500).with_index do |seeds, part|
    define_method("test_reads_as_io_does_#{part + 1}") do
      Rota.run { seeds.each { |seed| compare(seed) } }
    end
  end

  def test_gets_sets_the_last_line
    with_sides("one\ntwo") do |io, stream|
      3.times do
        io.gets
        expected = $_
        stream.gets
        expected.nil? ? assert_nil($_) : assert_equal(expected, $_)
      end
    end
  end

  def test_the_default_separator_is_the_global_one
    with_sides("a;b;c") do |io, stream|
      assert_equal with_separator(";") { io.gets }, with_separator(";") { stream.gets }
      assert_equal with_separator(nil) { io.gets }, with_separator(nil) { stream.gets }
    end
  end

  def test_each_line_without_a_block_is_an_enumerator
    with_sides("a\nb\nc") do |io, stream|
      assert_equal io.each_line(chomp: true).to_a, stream.each_line(chomp: true).to_a
    end
  end

  def test_another_default_external_encoding
    # UTF-16: a newline is two bytes there, and what IO makes of that is its own affair; a single-byte
    # encoding shows that the stream asks for the encoding of now.
    with_encoding("ISO-8859-1") do
      with_sides("é\né") do |io, stream|
        2.times do
          ours = stream.gets("\n", 1)
          assert_equal io.gets("\n", 1), ours
          assert_equal Encoding::ISO_8859_1, ours.encoding
        end
        assert_equal io.read.encoding, stream.read.encoding
      end
    end
  end

  def test_arguments_that_io_refuses
    calls = [[:gets, 1, 2, 3],
             [:gets, Object.new], [:gets, "a", "b"], [:gets, "a", { chomp: 1 }], [:gets, { chmp: true }],
             [:read, "a"], [:read, 1, 2], [:read, 1, 2, 3], [:readpartial], [:readpartial, nil], [:readpartial, -1],
             [:readline, Object.new], [:each_line, 0], [:each_line, "a", 0], [:gets, 1.5],
             [:gets, 2**70], [:read, 2**70]]
    with_sides("abc") do |io, stream|
      calls.each do |name, *args|
        options = args.last.is_a?(Hash) ? args.pop : {}
        block = proc { break } if name == :each_line
        expected = failure { io.public_send(name, *args, **options, &block) }
        ours = failure { stream.public_send(name, *args, **options, &block) }
        assert_equal expected, ours, [name, *args, options].inspect
      end
    end
  end

  def test_a_frozen_buffer
    with_sides("abc") do |io, stream|
      %i[read readpartial].each do |name|
        assert_equal(failure { io.public_send(name, 1, "frozen") }, failure { stream.public_send(name, 1, "frozen") })
      end
      assert_equal io.read, stream.read
    end
  end

  private

  def failure
    yield.then { :no_failure }
  rescue ArgumentError, TypeError, RangeError, FrozenError => e
    e.class
  end

  def compare(seed)
    random = Random.new(seed)
    bytes = random_bytes(random)
    calls = random_calls(random, bytes)
    socket = random.rand < 0.5
    pieces = cut(bytes, random)
    calls << %i[call read]
    history = []
    with_sides(bytes, pieces: pieces, socket: socket) do |io, stream|
      oracle = Reader.new(io)
      ours = Reader.new(stream)
      calls.each do |call|
        history << call
        expected, got = answers(oracle, ours, io, call)
        next if expected == got

        flunk "seed #{seed} (#{socket ? 'socket' : 'pipe'}, pieces #{pieces.map(&:bytesize)}), of #{bytes.inspect}\n" \
              "#{history.map(&:inspect).join("\n")}\nIO:   #{expected.inspect}\nours: #{got.inspect}"
      end
    end
  end

  # How much readpartial gives depends on when the bytes come: IO reads as much as the stream got.
  def answers(oracle, ours, io, call)
    kind, name, *args = call
    options = args.last.is_a?(Hash) ? args.pop : {}
    return [oracle.lines(name, *args, **options), ours.lines(name, *args, **options)] if kind == :lines
    return [oracle.call(name, *args, **options), ours.call(name, *args, **options)] unless name == :readpartial

    got = ours.call(name, *args, **options)
    return [oracle.call(name, *args, **options), got] unless got.first.is_a?(Array)

    length = got.first.first.bytesize
    return [[:at_least_one_byte], got] if length.zero? && args.first.positive?

    expected = oracle.call(:read, length, **options)
    expected = oracle.call(:readpartial, 0, **options) if length.zero? && io
    [expected, got]
  end

  def random_bytes(random)
    return "".b if random.rand < 0.02

    count = random.rand < 0.03 ? 4000 : random.rand(1..30)
    palette = MORSELS.sample(random.rand(2..MORSELS.size), random: random)
    Array.new(count) { palette.sample(random: random) }.join
  end

  def random_calls(random, bytes)
    Array.new(random.rand(1..12)) { random_call(random, bytes) }
  end

  def random_call(random, bytes)
    case random.rand(10)
    when 0..3 then [:call, random.rand < 0.7 ? :gets : :readline, *line_arguments(random, bytes)]
    when 4 then [:lines, random.rand(0..4), *line_arguments(random, bytes)]
    when 5..6 then [:call, :read, LENGTHS.sample(random: random), buffer_option(random)]
    when 7 then [:call, :readpartial, LENGTHS.sample(random: random), buffer_option(random)]
    when 8 then %i[call eof?]
    else random.rand < 0.3 ? [:call, :read, nil, buffer_option(random)] : %i[call gets]
    end
  end

  def buffer_option(random) = random.rand < 0.4 ? { buffer: true } : {}

  # Two slips of IO that nobody can want are left out: with a limit and no separator it stops at a
  # byte 255 (its search for "none" finds it), and before Ruby 3.2 chomp: took a newline off the
  # whole rest.
  def line_arguments(random, bytes)
    args = any_line_arguments(random)
    return args unless args.first.nil? && !args.empty?

    args[1] = nil if args[1].is_a?(Integer) && bytes.include?("\xFF".b)
    args.pop if args.last.is_a?(Hash) && RUBY_VERSION < "3.2"
    args
  end

  def any_line_arguments(random)
    args = []
    args << SEPARATORS.sample(random: random) if random.rand < 0.7
    args << LIMITS.sample(random: random) if random.rand < 0.5
    args << { chomp: [true, false].sample(random: random) } if random.rand < 0.5
    args
  end

  def cut(bytes, random)
    pieces = []
    rest = bytes
    until rest.empty?
      size = random.rand < 0.7 ? random.rand(1..8) : random.rand(1..5000)
      pieces << rest.byteslice(0, size)
      rest = rest.byteslice(size..) || ""
    end
    # Thousands of pieces say no more than some, and take long.
    pieces.size > 40 ? pieces.first(30) << pieces.drop(30).join : pieces
  end

  # Yields the oracle, a pipe with all of it, and a stream to which the pieces come one by one.
  def with_sides(bytes, pieces: [bytes], socket: false)
    io, oracle_end = IO.pipe
    feeder = Thread.new { oracle_end.write(bytes) && oracle_end.close } if bytes.bytesize > 60_000
    oracle_end.write(bytes) && oracle_end.close unless feeder
    inside do
      stream, far = socket ? stream_of_socket : stream_of_pipe
      task = Rota.spin { feed(far, pieces) }
      yield io, stream
      task.await
      stream.close
    end
  ensure
    feeder&.join
    [io, oracle_end].each(&:close)
  end

  def inside(&block)
    Rota.loop?.nil? ? Rota.run(&block) : yield
  end

  def feed(far, pieces)
    pieces.each do |piece|
      far.write(piece)
      Rota.snooze
    end
    far.close
  end

  def stream_of_pipe
    reader, writer = IO.pipe
    reader.autoclose = false
    writer.autoclose = false
    [Rota::Stream.for_fd(reader.fileno), Rota::Stream.for_fd(writer.fileno)]
  end

  def stream_of_socket
    UNIXSocket.pair.map do |socket|
      socket.autoclose = false
      Rota::Stream.for_fd(socket.fileno)
    end
  end

  def with_separator(separator)
    before = $/
    silently { $/ = separator }
    yield
  ensure
    silently { $/ = before }
  end

  def with_encoding(name)
    before = Encoding.default_external
    silently { Encoding.default_external = name }
    yield
  ensure
    silently { Encoding.default_external = before }
  end

  # Ruby warns of both.
  def silently
    verbose, $VERBOSE = $VERBOSE, nil
    yield
  ensure
    $VERBOSE = verbose
  end
end
