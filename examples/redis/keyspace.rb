# frozen_string_literal: true

require_relative "resp"

# The data: names of Strings and Lists, some of which are to be forgotten at a given time. Nothing in
# here waits, so each command happens at once for everybody.
class Keyspace
  def initialize
    @values = {}
    @deadlines = {}
  end

  def size = live_keys.size

  def clear
    @values.clear
    @deadlines.clear
  end

  def live_keys = @values.keys.select { |key| live?(key) }

  def live?(key)
    deadline = @deadlines[key]
    delete(key) if deadline && deadline <= now
    @values.key?(key)
  end

  def string(key) = fetch(key, String)

  def list(key) = fetch(key, Array)

  # The list, new if there is none; none is left if it is empty afterwards.
  def change_list(key)
    yield(items = list(key) || (@values[key] = [])).tap { delete(key) if items.empty? }
  end

  def type(key)
    return :none unless live?(key)

    @values[key].is_a?(Array) ? :list : :string
  end

  # Whatever was there, and when it was to be forgotten.
  def store(key, value)
    @deadlines.delete(key)
    @values[key] = value
  end

  def replace(key, value) = @values[key] = value

  def delete(key)
    @deadlines.delete(key)
    !@values.delete(key).nil?
  end

  def expire(key, seconds)
    return false unless live?(key)

    @deadlines[key] = now + seconds
    true
  end

  def persist(key) = live?(key) && !@deadlines.delete(key).nil?

  # Seconds; -1: no end, -2: no such key
  def time_left(key)
    return -2 unless live?(key)

    @deadlines.key?(key) ? @deadlines[key] - now : -1
  end

  # Forgets some of what nobody asks for any more.
  def sweep = @deadlines.keys.sample(100).each { |key| live?(key) }

  private

  def fetch(key, kind)
    return unless live?(key)

    value = @values[key]
    return value if value.is_a?(kind)

    raise RESP::CommandError, "WRONGTYPE Operation against a key holding the wrong kind of value"
  end

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
end
