# frozen_string_literal: true

require "tempfile"
require_relative "transports"
require_relative "differential_cases"
require_relative "differential_shrinker"

# One stream beside one IO: the same bytes are read by the same calls, and whatever one of them returns
# or raises the other must, too.
module Differential
  ENDS = {
    pipe: -> { IO.pipe },
    unix: -> { UNIXSocket.pair },
    tcp: -> { Transports.tcp("127.0.0.1") },
    file: lambda {
      path = Tempfile.create("rota").tap(&:close).path
      [File.open(path, "r"), File.open(path, "w")].tap { File.unlink(path) }
    }
  }.freeze

  # A call is [name, arguments, keywords, buffer]: the last one replaces :buffer among the arguments.
  Case = Struct.new(:transport, :set_up, :pieces, :calls) do
    def bytes = pieces.join

    def inspect
      ["#{transport}, set up by #{set_up.inspect}, pieces #{pieces.inspect}", *calls.map(&:inspect)].join("\n")
    end
  end

  # One side. What a call brings is a value that == compares with the other side's.
  class Side
    def initialize(io) = @io = io

    def call(name, arguments, options = {}, extra = {})
      buffer = String.new("something", encoding: "ISO-8859-1") if arguments.include?(:buffer)
      arguments = arguments.map { |argument| argument == :buffer ? buffer : argument }
      [perform(name, arguments, options, **extra), buffer && describe(buffer)]
    rescue SystemCallError => e # each says in its own words in which call
      [e.class, nil, buffer && describe(buffer)]
    rescue StandardError => e
      [e.class, e.message.sub(/\Awarning: .*: warning: /, ""), buffer && describe(buffer)]
    end

    # What is pushed back in front of an empty buffer is no part of a character for IO.
    def fill
      @io.eof?
    rescue IOError
      nil
    end

    private

    def perform(name, arguments, options, count: nil)
      case name
      when :some_lines then some(:each_line, count, arguments, options)
      when :some_chars then some(:each_char, count, arguments, options)
      when :some_bytes then some(:each_byte, count, arguments, options)
      when :binmode, :set_encoding then describe(@io.public_send(name, *arguments, **options))
      else describe(@io.public_send(name, *arguments, **options))
      end
    end

    # The first ones only, so that the rest is read by another method.
    def some(name, count, arguments, options)
      found = []
      result = @io.public_send(name, *arguments, **options) do |one|
        found << describe(one)
        break :enough if found.size >= count
      end
      [found, result == :enough || describe(result)]
    end

    def describe(value)
      case value
      when String then [value.b, value.encoding]
      when Array then value.map { |one| describe(one) }
      when nil, true, false, Integer, Symbol, Encoding then value
      else value.equal?(@io) ? :self : value.class.to_s
      end
    end
  end

  module_function

  # nil, or how the sides differ. Each case has both sides, so the stream's may run together in a loop.
  def difference(one) = compare(one, Rota.run { ours(one) })

  def ours(one)
    near, far = ENDS.fetch(one.transport).call
    write_all(far, one.bytes) if one.transport == :file
    stream = Transports.stream(near)
    # nothing is to be read in vain by who looks for what is not there yet
    feeder = Rota.spin { feed(far, one) } unless one.transport == :file
    found = [*one.set_up.map { |call| [call, Side.new(stream).call(*split(call))] },
             *one.calls.map { |call| [call, Side.new(stream).call(*call)] }]
    feeder&.stop
    feeder&.join
    found
  ensure
    [stream, far].each { |io| io.close unless io.nil? || io.closed? }
  end

  def split(call)
    name, *arguments = call
    options = arguments.last.is_a?(Hash) ? arguments.pop : {}
    [name, arguments, options]
  end

  def write_all(far, bytes)
    far.write(bytes)
    far.close
  end

  def feed(far, one)
    one.pieces.each do |piece|
      Rota.loop.write(far, piece)
      Rota.snooze
    end
    far.close
  rescue Errno::EPIPE, Errno::ECONNRESET
    nil # the reader closed
  end

  def compare(one, ours)
    near, far = ENDS.fetch(one.transport).call
    write_all(far, one.bytes)
    io = one.transport == :file || one.transport == :pipe ? near : plain(near)
    side = Side.new(io)
    call, answer, expected = first_difference(side, one, ours)
    call && "#{call.inspect}\nIO:   #{expected.inspect}\nours: #{answer.inspect}"
  ensure
    [io, near].uniq.each { |end_| end_.close unless end_.closed? }
  end

  def first_difference(side, one, ours)
    ours.each do |call, answer|
      expected = answer_of(side, call, answer, one.set_up.include?(call))
      # What is left then is not the same: IO drops what it had converted.
      break if conversion_failed?(answer) && expected.first(2) == answer.first(2)
      break [call, answer, expected] if expected != answer
    end.then { |found| found unless found.equal?(ours) }
  end

  def conversion_failed?(answer) = answer.first.is_a?(Class) && answer.first < EncodingError

  # A socket's own class makes it binary; as IO it is like any other.
  def plain(socket)
    socket.autoclose = false
    IO.for_fd(socket.fileno)
  end

  # How much readpartial and read_nonblock give depends on when the bytes come: IO reads as much.
  def answer_of(side, call, answer, set_up)
    return side.call(*split(call)) if set_up

    name, arguments, options, = call
    return answer if name == :some_bytes && answer.first == IOError # IO asks too late whether it may

    side.fill if name.start_with?("unget")
    return side.call(*call) unless %i[readpartial read_nonblock].include?(name)
    return answer if waits?(answer) && arguments.first.is_a?(Numeric) && arguments.first >= 1

    length = answer.first.is_a?(Array) && answer.first.first.is_a?(String) ? answer.first.first.bytesize : 0
    return side.call(name, arguments, options || {}) if length.zero?
    return [:too_much] if length > arguments.first

    side.call(:read, [length, *arguments.drop(1)])
  end

  def waits?(answer)
    answer.first == :wait_readable || answer.first == IO::EAGAINWaitReadable
  end
end
