# frozen_string_literal: true

require_relative "resp"

# Who listens to which channel.
class Channels
  def initialize
    @listeners = Hash.new { |all, channel| all[channel] = {}.compare_by_identity }
  end

  def subscribe(channel, session) = @listeners[channel][session] = true

  def unsubscribe(channel, session)
    @listeners[channel].delete(session)
    @listeners.delete(channel) if @listeners[channel].empty?
  end

  # => how many it reached
  def publish(channel, text)
    return 0 unless @listeners.key?(channel)

    listeners = @listeners[channel].keys
    listeners.each { |session| session.push(["message", channel, text]) }
    listeners.size
  end
end

# One connection. Replies gather as long as further commands are there already, so that a pipeline of a
# thousand commands is answered by a few writes; a task of its own writes them, so that a message for a
# client that does not read waits there, and its publisher does not.
class Session
  # A client that lets so much gather is cut off.
  OUTPUT_LIMIT = 8 * 1024 * 1024
  # Meant for the connection, not for the keys.
  OWN = %w[subscribe unsubscribe publish quit].freeze
  NO_REPLY = Object.new.freeze
  ALLOWED_WHILE_SUBSCRIBED = %w[subscribe unsubscribe ping quit].freeze

  def initialize(stream, commands, channels)
    @stream = stream
    @commands = commands
    @channels = channels
    @subscribed = []
    @output = +"".b
    @wanted = Rota::Event.new
  end

  def run
    writer = Rota.spin { write_all }
    answer while !@over && (@words = RESP.load_command(@stream))
  rescue RESP::ProtocolError => e
    push(RESP::CommandError.new("ERR Protocol error: #{e.message}"))
  ensure
    @subscribed.each { |channel| @channels.unsubscribe(channel, self) }
    @over = true
    @wanted.signal
    writer&.join
  end

  def push(reply)
    RESP.dump(reply, @output)
    return @stream.close if @output.bytesize > OUTPUT_LIMIT

    @wanted.signal
  end

  private

  def write_all
    until @over && @output.empty?
      @wanted.await if @output.empty? && !@over
      output, @output = @output, +"".b
      @stream.write(output)
    end
  rescue SystemCallError, IOError
    @over = true # who reads finds out, too
  end

  def answer
    return if @words.empty?

    name = @words.shift.downcase
    reply = perform(name)
    push(reply) unless reply.equal?(NO_REPLY)
  rescue RESP::CommandError => e
    push(e)
  rescue ArgumentError
    push(RESP::CommandError.new("ERR wrong number of arguments for '#{name}' command"))
  end

  def perform(name)
    if @subscribed.any? && !ALLOWED_WHILE_SUBSCRIBED.include?(name)
      raise RESP::CommandError, "ERR only SUBSCRIBE, UNSUBSCRIBE, PING and QUIT are allowed in this context"
    end
    return send(name, *@words) if OWN.include?(name)
    return @commands.public_send(name, *@words) if @commands.knows?(name.to_sym)

    raise RESP::CommandError, "ERR unknown command '#{name}'"
  end

  def quit
    @over = true
    :OK
  end

  def publish(channel, text) = @channels.publish(channel, text)

  def subscribe(channel, *others)
    [channel, *others].each do |one|
      @subscribed |= [one]
      @channels.subscribe(one, self)
      push(["subscribe", one, @subscribed.size])
    end
    NO_REPLY
  end

  def unsubscribe(*channels)
    channels = @subscribed.dup if channels.empty?
    push(["unsubscribe", nil, 0]) if channels.empty?
    channels.each do |one|
      @subscribed.delete(one)
      @channels.unsubscribe(one, self)
      push(["unsubscribe", one, @subscribed.size])
    end
    NO_REPLY
  end
end
