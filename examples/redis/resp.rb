# frozen_string_literal: true

# RESP2, the protocol of Redis: what both ends of a connection say.
module RESP
  # What cannot be a message: the connection is of no use any more.
  class ProtocolError < StandardError
  end

  # A failure that is a reply, like any other value.
  class CommandError < StandardError
  end

  MAX_BULK = 512 * 1024 * 1024
  MAX_ITEMS = 1024 * 1024
  MAX_LINE = 64 * 1024

  module_function

  # Appends a value to `out`. A Symbol is a simple string, everything else by its class.
  def dump(value, out = +"".b)
    case value
    when nil then out << "$-1\r\n"
    when Integer then out << ":#{value}\r\n"
    when Symbol then out << "+#{value}\r\n"
    when Array then value.each_with_object(out << "*#{value.size}\r\n") { |item, _| dump(item, out) }
    when CommandError then out << "-#{value.message}\r\n"
    else dump_bulk(value.to_s, out)
    end
  end

  # What a client sends: an Array of Strings.
  def dump_command(words, out = +"".b)
    out << "*#{words.size}\r\n"
    words.each { |word| dump_bulk(word.to_s, out) }
    out
  end

  def dump_bulk(string, out) = out << "$#{string.bytesize}\r\n" << string.b << "\r\n"

  # A value, as `dump` writes it. EOFError when the stream ends.
  def load(stream)
    line = read_line(stream)
    case line[0]
    when "+" then line[1..]
    when "-" then CommandError.new(line[1..])
    when ":" then number(line)
    when "$" then load_bulk(stream, number(line))
    when "*" then load_array(stream, number(line))
    else raise ProtocolError, "expected '+', '-', ':', '$' or '*', got '#{line[0]}'"
    end
  end

  # An Array of Strings; or words in a line, for people with a terminal. nil when the stream ends.
  def load_command(stream)
    return if stream.eof?

    line = read_line(stream)
    return line.split unless line.start_with?("*")

    count = number(line)
    raise ProtocolError, "invalid multibulk length" unless count.between?(0, MAX_ITEMS)

    Array.new(count) { load_word(stream) }
  end

  def load_word(stream)
    line = read_line(stream)
    raise ProtocolError, "expected '$', got '#{line[0]}'" unless line.start_with?("$")

    load_bulk(stream, number(line)) or raise ProtocolError, "invalid bulk length"
  end

  def load_array(stream, count)
    Array.new(count) { load(stream) } unless count.negative?
  end

  def load_bulk(stream, length)
    return if length == -1
    raise ProtocolError, "invalid bulk length" unless length.between?(0, MAX_BULK)

    stream.read_exactly(length).tap { stream.skip(2) }
  end

  def read_line(stream)
    stream.read_until("\n", limit: MAX_LINE).chomp
  rescue EOFError
    raise
  rescue IOError => e
    raise ProtocolError, e.message
  end

  def number(line)
    Integer(line[1..], 10)
  rescue ArgumentError
    raise ProtocolError, "invalid number"
  end
end
