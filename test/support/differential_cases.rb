# frozen_string_literal: true

# The random cases of the differential test.
module Differential
  # What makes a random case.
  class Generator
    # Long, for Ruby 3.2 itself writes into a frozen string that has room.
    FROZEN = ("frozen" * 200).freeze

    # What comes before the reading: calls that choose an encoding.
    SET_UPS = [
      *[[]] * 6, [%i[binmode]], [[:set_encoding, "UTF-8"]], [[:set_encoding, "ISO-8859-1"]],
      [[:set_encoding, Encoding::Shift_JIS]], [[:set_encoding, "EUC-JP"]], [[:set_encoding, "UTF-8:ISO-8859-1"]],
      [[:set_encoding, "ISO-8859-1:UTF-8"]], [[:set_encoding, "Shift_JIS:UTF-8"]], [[:set_encoding, "UTF-16LE:UTF-8"]],
      [[:set_encoding, "UTF-16BE", "UTF-8", { invalid: :replace, undef: :replace }]],
      [[:set_encoding, "UTF-8:EUC-JP", { undef: :replace, invalid: :replace, replace: "?" }]],
      [[:set_encoding, "UTF-8", { universal_newline: true }]], [[:set_encoding, "UTF-8:UTF-16LE"]],
      [%i[binmode], [:set_encoding, "UTF-16LE"]], [[:set_encoding, "UTF-16LE"]], [[:set_encoding, "nonsense"]],
      [[:set_encoding, nil]], [[:set_encoding, nil, nil]], [[:set_encoding, "UTF-8", "-"]]
    ].freeze

    # What makes lines, what nearly does, and characters that a limit or a piece may cut.
    MORSELS = ["a", "bc", "\n", "\n", "\n\n", "\r\n", "\r", "\n\r\n", ";", "ab", "aab", "é", "日本", "😀", "\xFF",
               "\xE3\x81", "\xF0\x9F", "\0", "\0\n", "\n\0", "\x93\xFA", "\xA4\xA2", "x" * 40].map(&:b).freeze
    SEPARATORS = [nil, "", "\n", "\r\n", ";", "ab", "aab", "é", "本", "\n\n", "\n\n\n", "xx", "\r", "\xFF", "é".b,
                  "é".encode("ISO-8859-1"), "\n".encode("UTF-16LE"), "日".encode("Shift_JIS"), 5.5, :a].freeze
    LIMITS = [0, 1, 2, 3, 4, 5, 7, 16, 100, 5000, -1, nil, 2**70].freeze
    LENGTHS = [0, 1, 1, 2, 3, 10, 100, 4096, 70_000, -1, "1", nil, 2.7].freeze
    SEEKS = [[0], [1], [7], [10_000], [-1], [0, :CUR], [-1, IO::SEEK_CUR], [3, :CUR], [0, :END], [-2, IO::SEEK_END],
             [-10_000, :END], [0, :WHAT], ["1"], [0, "CUR"]].freeze
    PUSHED = ["", "x", "ab\n", "é", "\xE3", "日".encode("Shift_JIS"), "y" * 100, 65, 0x3042, -1, 0x110000, 2**70, nil,
              :a].freeze

    READERS = { gets: 6, readline: 2, some_lines: 2, readlines: 1, read: 5, readpartial: 3, read_nonblock: 2, getc: 5,
                readchar: 1, some_chars: 2, getbyte: 3, readbyte: 1, some_bytes: 1, ungetbyte: 2, ungetc: 2, eof?: 2,
                lineno: 2, "lineno=": 1, write: 0.2, close_read: 0.1, close_write: 0.2, close: 0.1, closed?: 0.3,
                external_encoding: 0.5, internal_encoding: 0.5, set_encoding: 0.4, tty?: 0.2,
                binmode?: 0.2, pos: 1, seek: 0.7, rewind: 0.3 }.freeze
    TOTAL = READERS.values.sum

    def initialize(seed) = @random = Random.new(seed)

    def call
      @transport = pick(ENDS.keys)
      @set_up = pick(SET_UPS)
      @settled = false
      Case.new(@transport, @set_up.dup, pieces, Array.new(@random.rand(1..15)) { random_call } << [:read, []])
    end

    private

    def pick(list) = list.sample(random: @random)
    def chance(share) = @random.rand < share

    # All of it, and what is pushed back, fits into the buffer of an IO: what it says of a broken character
    # depends on whether it lies across the end of one.
    def pieces
      return [] if chance(0.02)

      palette = MORSELS.sample(@random.rand(2..MORSELS.size), random: @random)
      count = chance(0.05) ? 400 : @random.rand(1..30)
      cut(Array.new(count) { pick(palette) }.join.byteslice(0, 6500))
    end

    def cut(bytes)
      found = []
      until bytes.empty?
        size = chance(0.7) ? @random.rand(1..8) : @random.rand(1..3000)
        found << bytes.byteslice(0, size)
        bytes = bytes.byteslice(size..) || ""
      end
      # Hundreds of pieces say no more than some, and take long.
      found.size > 40 ? found.first(30) << found.drop(30).join : found
    end

    def random_call
      name = name_by_weight
      @settled ||= name.start_with?("unget")
      case name
      when :gets, :readline, :readlines then [name, *line_arguments]
      when :some_lines then [name, *line_arguments, { count: @random.rand(0..4) }]
      when :some_chars, :some_bytes then [name, [], {}, { count: @random.rand(0..6) }]
      when :read, :readpartial then [name, byte_arguments]
      when :read_nonblock then [name, byte_arguments, chance(0.4) ? { exception: pick([true, false, false, nil]) } : {}]
      # at the end of what is converted IO does not always notice that there is something again
      when :ungetbyte then converts? || wide? ? [:ungetc, [65]] : [name, [pick(PUSHED)]]
      when :ungetc then [name, [wide? ? 65 : pick(PUSHED)]]
      when :"lineno=" then [name, [pick([0, 7, 2**40, "1"])]]
      when :set_encoding then another_encoding
      when :pos, :rewind then positions? ? [name, []] : [:tty?, []]
      when :seek then positions? ? [name, pick(SEEKS)] : [:tty?, []]
      # who is connected, and for how long, is not the question here
      when :close_read, :close_write then @transport == :tcp ? [:tty?, []] : (@settled = true) && [name, []]
      when :write then %i[pipe file].include?(@transport) ? [name, ["x"]] : [:tty?, []]
      else [name, []]
      end
    end

    # What was converted and not read stays in IO's way then, and cannot be got at; and how it was opened
    # must still be seen.
    def another_encoding
      return [:tty?, []] if @settled || @set_up.any?

      @set_up = [pick(SET_UPS.reject { |calls| calls.empty? || calls == [%i[binmode]] }).last]
      Differential.split(@set_up.first)
    end

    # What was pushed back, or converted, has no place in the file; and what IO does to a pipe whose
    # position was asked for differs between its versions.
    def positions? = @transport == :file && !@settled && !converts?

    def wide? = @set_up.last.to_a.last.to_s.end_with?("UTF-16LE")

    def converts? = @set_up.last.to_a.grep_v(Symbol).inspect.match?(/\w:[A-Z]|universal|"UTF-16BE"/)

    def name_by_weight
      at = @random.rand * TOTAL
      READERS.each { |name, weight| (at -= weight) <= 0 and return name }
      :gets
    end

    def byte_arguments
      arguments = [pick(LENGTHS)]
      arguments << pick([:buffer, :buffer, nil, FROZEN, 3]) if chance(0.4)
      arguments.unshift(*Array.new(3, 1)) if chance(0.01)
      arguments
    end

    # => [arguments, keywords]
    def line_arguments
      arguments = []
      arguments << pick(SEPARATORS) if chance(0.6)
      arguments << pick(LIMITS) if chance(0.5) && (arguments & [5.5, :a]).empty? # Ruby 3.3 asks otherwise
      options = chance(0.4) ? { chomp: pick([true, true, false, nil]) } : {}
      without_slips(arguments, options)
    end

    # Slips of IO that nobody can want are left out: with a limit and no separator it stops at a byte
    # 255 (its search for "none" finds it), before Ruby 3.2 chomp: took a newline off the whole rest, and
    # in UTF-16 it looks for single bytes, in other ways in each version.
    def without_slips(arguments, options)
      none = !arguments.empty? && arguments.first.nil?
      return [arguments.first.is_a?(String) && arguments.first != "" ? arguments.take(1) : [], {}] if wide?

      arguments = [nil] if none && arguments.size > 1
      options = {} if none && RUBY_VERSION < "3.2"
      [arguments, options]
    end
  end
end
