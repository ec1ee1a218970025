# frozen_string_literal: true

# A client for Redis, and for examples/redis_server.rb.
#
#   ruby -Ilib examples/redis_client.rb [host:port] COMMAND [argument...]     one command
#   ruby -Ilib examples/redis_client.rb [host:port] < commands                a command a line, all in one pipeline
#   ruby -Ilib examples/redis_client.rb [host:port] subscribe news            until Ctrl-C
#
# One connection serves any number of tasks: each writes its command and waits for its own reply, so
# commands that are under way together share packets both ways without anybody asking for a pipeline.

require "rota"
require "shellwords"
require_relative "redis/resp"

# A connection. A task of it reads the replies and gives them to those who wait, in the order in which
# they asked.
class RedisClient
  def initialize(address)
    @stream = Rota.connect(address, timeout: 5).no_delay
    @waiting = []
    @reader = Rota.spin { read_replies }
  end

  # => the reply; an error is raised
  def call(*words) = value(ask(words))

  # => the replies, in their order; errors are among them
  def pipeline(commands)
    asked = commands.map { wait_in_line }
    @stream.write(commands.each_with_object(+"".b) { |words, out| RESP.dump_command(words, out) })
    asked.map(&:await)
  end

  # Yields [channel, text] until the block is left. The connection can do nothing else meanwhile.
  def subscribe(*channels)
    messages = Rota::Queue.new
    @listener = messages
    @stream.write(RESP.dump_command(["subscribe", *channels]))
    loop do
      kind, channel, text = raise_if_error(messages.pop)
      yield channel, text if kind == "message"
    end
  end

  def close
    @reader.stop
    @stream.close
  end

  private

  # The place in the line is taken before the bytes leave, and no task comes between.
  def ask(words)
    wait_in_line.tap { @stream.write(RESP.dump_command(words)) }
  end

  def wait_in_line
    raise IOError, "the connection was lost" if @lost

    Rota::Event.new.tap { |reply| @waiting << reply }
  end

  def value(reply) = raise_if_error(reply.await)

  def raise_if_error(value)
    raise value if value.is_a?(Exception)

    value
  end

  def read_replies
    loop do
      value = RESP.load(@stream)
      @listener ? @listener << value : @waiting.shift.signal(value)
    end
  rescue SystemCallError, IOError, RESP::ProtocolError
    @lost = IOError.new("the connection was lost")
    @listener&.push(@lost)
    @waiting.shift.signal(@lost) until @waiting.empty?
  end
end

# As redis-cli shows it.
def show(value, indent = "")
  case value
  when nil then "(nil)"
  when Integer then "(integer) #{value}"
  when Exception then "(error) #{value.message}"
  when Array then value.empty? ? "(empty array)" : show_items(value, indent)
  else value.dup.force_encoding("UTF-8").then { |text| text.valid_encoding? ? text : value.inspect }
  end
end

def show_items(items, indent)
  items.each_with_index.map { |item, i| "#{indent unless i.zero?}#{i + 1}) #{show(item, "#{indent}   ")}" }.join("\n")
end

def commands_of(io) = io.each_line.map { |line| line.b.shellsplit }.reject(&:empty?)

def command_line(client, words)
  case words.first&.downcase
  when nil then client.pipeline(commands_of($stdin)).each { |reply| puts show(reply) }
  when "subscribe" then client.subscribe(*words.drop(1)) { |channel, text| puts "#{channel}: #{text}" }
  else puts show(client.call(*words))
  end
end

if $PROGRAM_NAME == __FILE__
  $stdout.sync = true
  address = ARGV.first&.match?(/:\d+\z/) ? ARGV.shift : "127.0.0.1:6380"
  Rota.run do
    client = RedisClient.new(address)
    command_line(client, ARGV)
    client.close
  rescue SystemCallError, IOError, RESP::CommandError => e
    warn e.message
    exit 1
  rescue Interrupt
    exit 130
  end
end
