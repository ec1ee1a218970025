# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/disturbance"
require_relative "../support/transports"

# Every reading method of a stream, interrupted again and again in a tight loop: whatever they returned
# is what was sent, with no byte lost, doubled or out of its place.
class StreamCancellationTest < RotaTest
  include Disturbance
  time_limit 300

  ROWS = Transports::ROWS.slice(:default, :two_small_buffers)
  TRANSPORTS = Transports::ALL.select { |transport| %i[pipe unix].include?(transport.name) }

  # Each is given the stream and what was found so far, and adds to it or returns bytes; nil and EOFError
  # are the end.
  STEPS = {
    read: ->(stream, _, random) { stream.read(random.rand(1..9000)) },
    read_into: ->(stream, _, random) { stream.read(random.rand(1..9000), +"buffer") },
    readpartial: ->(stream, _, random) { stream.readpartial(random.rand(1..9000)) },
    read_exactly: ->(stream, _, random) { stream.read_exactly(random.rand(1..20)) },
    read_until: ->(stream, _, _) { stream.read_until("\n") },
    gets: ->(stream, _, _) { stream.gets },
    gets_limited: ->(stream, _, random) { stream.gets(";", random.rand(1..300)) },
    gets_longer: ->(stream, _, _) { stream.gets("é;\n") },
    getc: ->(stream, _, _) { stream.getc },
    getbyte: ->(stream, _, _) { stream.getbyte&.chr },
    readline: ->(stream, _, _) { stream.readline },
    read_nonblock: lambda { |stream, _, random|
      bytes = stream.read_nonblock(random.rand(1..9000), exception: false)
      bytes == :wait_readable ? Rota.snooze.to_s : bytes
    },
    wait: ->(stream, _, _) { stream.wait_readable && "" },
    peek: ->(stream, found, random) { stream.peek(random.rand(1..20))&.then { |bytes| found.check(bytes) } },
    skip: ->(stream, found, random) { found.pass_over { stream.skip(random.rand(1..9000)) } },
    push_back: ->(stream, _, _) { stream.readpartial(5).tap { |bytes| stream.ungetbyte(bytes) } && "" },
    each_byte: ->(stream, found, random) { stream.each_byte { |byte| found.take(byte.chr, random) && break } },
    each_char: ->(stream, found, random) { stream.each_char { |char| found.take(char, random) && break } },
    each_line: ->(stream, found, random) { stream.each_line { |line| found.take(line, random) && break } },
    read_loop: ->(stream, found, random) { stream.read_loop(300) { |bytes| found.take(bytes, random) && break } }
  }.freeze

  # What came so far, beside what was sent.
  class Found
    attr_reader :bytes

    def initialize(sent)
      @sent = sent
      @bytes = +"".b
    end

    def <<(bytes) = @bytes << bytes.b

    # Is it enough?
    def take(bytes, random)
      self << bytes
      random.rand < 0.05
    end

    # Not taken, but the same all the same.
    def check(bytes)
      raise "peeked at #{bytes.inspect}" unless @sent.byteslice(@bytes.bytesize, bytes.bytesize) == bytes

      ""
    end

    def pass_over
      count = yield
      count.zero? ? nil : @sent.byteslice(@bytes.bytesize, count)
    rescue Exception => e
      count = e.respond_to?(:bytes_skipped) ? e.bytes_skipped : 0
      self << @sent.byteslice(@bytes.bytesize, count)
      raise
    end
  end

  Transports.each_case(TRANSPORTS, ROWS) do |name, transport, options|
    define_method("test_all_of_them_by_turns_#{name}") { interrupt(transport, options, STEPS.values) }
  end

  STEPS.except(:wait, :peek, :push_back).each do |name, step|
    define_method("test_#{name}_alone") { interrupt(TRANSPORTS.sample(random: @random), {}, [step]) }
  end

  # Converted text, cut anywhere: characters come whole, and once.
  def test_converted_text
    repeat({}) do |random|
      near, far = TRANSPORTS.sample(random: random).streams
      near.set_encoding("UTF-16LE:UTF-8")
      sent = Array.new(300) { ["a", "é", "日", "😀", "\n"].sample(random: random) }.join
      writing = Rota.spin { Transports.feed(far, sent.encode("UTF-16LE").b, random) }
      found = +""
      ended = false
      until ended
        briefly(random) do
          got = random.rand < 0.5 ? near.gets : near.getc
          got ? found << got : ended = true
        end
      end
      assert_equal sent, found
      writing.await
      near.close
    end
  end

  # The stream's own timeout in the middle of a line, again and again.
  def test_timeouts_in_the_middle_of_a_line
    repeat({}) do |random|
      near, far = TRANSPORTS.sample(random: random).streams
      near.timeout = random.rand(0.0003)
      lines = Array.new(10) { "#{"x" * random.rand(200)}\n" }
      writing = Rota.spin { Transports.feed(far, lines.join, random) }
      found = []
      until found.size == lines.size
        line = rescued(Rota::TimeoutError, :late) { near.gets }
        found << line unless line == :late
      end
      assert_equal lines, found
      writing.await
      near.close
    end
  end

  private

  def interrupt(transport, options, steps)
    repeat(options) do |random|
      near, far = transport.streams
      sent = Array.new(random.rand(1..800)) { random.rand < 0.5 ? random.bytes(random.rand(1..90)) : "é;\n".b }.join
      writing = Rota.spin { Transports.feed(far, sent, random) }
      found = Found.new(sent)
      nil until step(near, found, random, steps) == :ended
      assert found.bytes == sent, difference(found.bytes, sent)
      writing.await
      near.close
    end
  end

  def step(stream, found, random, steps)
    got = :interrupted # a block that has enough gives nil as well as the end does
    briefly(random) do
      got = steps.sample(random: random).call(stream, found, random)
    rescue EOFError
      got = nil
    end
    found << got if got.is_a?(String)
    return :goes_on unless got.nil? || got.equal?(stream)

    found << Rota.shield { stream.read } if steps.size == 1 # what is no line, or too short
    stream.eof? ? :ended : :goes_on
  end

  def difference(found, sent)
    place = (0...sent.bytesize).find { |i| found.getbyte(i) != sent.getbyte(i) }
    "#{found.bytesize} of #{sent.bytesize} bytes came, equal up to #{place.inspect}"
  end
end
