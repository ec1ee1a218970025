# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"

# What the lines of a Rota::Stream have in common with those of an IO, beside what the differential test
# tries.
class GetsTest < RotaTest
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
        expected = refusal { io.public_send(name, *args, **options, &block) }
        ours = refusal { stream.public_send(name, *args, **options, &block) }
        assert_equal expected, ours, [name, *args, options].inspect
      end
    end
  end

  def test_a_frozen_buffer
    with_sides("abc") do |io, stream|
      %i[read readpartial].each do |name|
        assert_equal(refusal { io.public_send(name, 1, "frozen") }, refusal { stream.public_send(name, 1, "frozen") })
      end
      assert_equal io.read, stream.read
    end
  end

  private

  def refusal
    yield.then { :no_refusal }
  rescue ArgumentError, TypeError, RangeError, FrozenError => e
    e.class
  end

  # Yields the oracle, a pipe with all of it, and a stream with the same.
  def with_sides(bytes)
    pipes = Array.new(2) { IO.pipe.tap { |_reader, writer| writer.write(bytes) && writer.close }.first }
    Rota.run do
      stream = Transports.stream(pipes.last)
      yield pipes.first, stream
      stream.close
    end
  ensure
    pipes.first.close
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
