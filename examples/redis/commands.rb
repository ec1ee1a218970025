# frozen_string_literal: true

require_relative "resp"

# Commands on keys: each method is one, its arguments are the command's. What it returns is the reply.
class Commands
  OK = :OK
  NOT_AN_INTEGER = RESP::CommandError.new("ERR value is not an integer or out of range")
  SYNTAX = RESP::CommandError.new("ERR syntax error")

  def initialize(keys)
    @keys = keys
  end

  def knows?(name) = self.class.public_method_defined?(name, false) && name != :knows?

  def ping(text = :PONG) = text
  def echo(text) = text
  def command(*) = []
  def dbsize = @keys.size
  def flushall = @keys.clear && OK

  def get(key) = @keys.string(key)

  def set(key, value, *options)
    seconds, wanted, keep = options_of_set(options)
    return if wanted == :NX && @keys.live?(key) || wanted == :XX && !@keys.live?(key)

    keep ? @keys.replace(key, value) : @keys.store(key, value)
    @keys.expire(key, seconds) if seconds
    OK
  end

  def getset(key, value) = get(key).tap { @keys.store(key, value) }
  def setnx(key, value) = set(key, value, "NX") ? 1 : 0
  def mget(*keys) = keys.map { |key| @keys.type(key) == :string ? get(key) : nil }

  def mset(*pairs)
    raise RESP::CommandError, "ERR wrong number of arguments for 'mset' command" if pairs.size.odd?

    pairs.each_slice(2) { |key, value| @keys.store(key, value) }
    OK
  end

  def append(key, text) = @keys.replace(key, (get(key) || "") + text).bytesize
  def strlen(key) = get(key).to_s.bytesize

  def incr(key) = incrby(key, "1")
  def decr(key) = incrby(key, "-1")
  def decrby(key, number) = incrby(key, -integer(number))

  def incrby(key, number)
    (integer(get(key) || 0) + integer(number)).tap { |sum| @keys.replace(key, sum.to_s) }
  end

  def del(*keys) = keys.count { |key| @keys.live?(key) && @keys.delete(key) }
  def exists(*keys) = keys.count { |key| @keys.live?(key) }
  def type(key) = @keys.type(key)
  def keys(pattern) = @keys.live_keys.select { |key| File.fnmatch?(pattern, key, File::FNM_DOTMATCH) }

  def expire(key, seconds) = @keys.expire(key, integer(seconds)) ? 1 : 0
  def pexpire(key, milliseconds) = @keys.expire(key, integer(milliseconds) / 1000.0) ? 1 : 0
  def persist(key) = @keys.persist(key) ? 1 : 0
  def ttl(key) = @keys.time_left(key).ceil
  def pttl(key) = @keys.time_left(key).then { |left| left.negative? ? left : (left * 1000).ceil }

  def lpush(key, *items) = @keys.change_list(key) { |list| list.unshift(*items.reverse).size }
  def rpush(key, *items) = @keys.change_list(key) { |list| list.push(*items).size }
  def lpop(key) = @keys.change_list(key, &:shift)
  def rpop(key) = @keys.change_list(key, &:pop)
  def llen(key) = @keys.list(key).to_a.size
  def lindex(key, index) = @keys.list(key).to_a[integer(index)]

  def lrange(key, first, last)
    list = @keys.list(key).to_a
    first = integer(first)
    list[(first < -list.size ? 0 : first)..integer(last)].to_a
  end

  private

  # => [seconds or nil, :NX, :XX or nil, is the time to live kept?]
  def options_of_set(options)
    seconds = wanted = keep = nil
    until options.empty?
      case (option = options.shift.upcase)
      when "EX" then seconds = positive(options.shift)
      when "PX" then seconds = positive(options.shift) / 1000.0
      when "NX", "XX" then wanted = option.to_sym
      when "KEEPTTL" then keep = true
      else raise SYNTAX
      end
    end
    [seconds, wanted, keep]
  end

  def positive(text)
    number = integer(text)
    raise RESP::CommandError, "ERR invalid expire time in 'set' command" unless number.positive?

    number
  end

  def integer(text)
    Integer(text, *(10 if text.is_a?(String)))
  rescue ArgumentError, TypeError
    raise NOT_AN_INTEGER
  end
end
