# frozen_string_literal: true

# A server that speaks the protocol of Redis (RESP2): strings, lists, times to live, channels, and
# pipelines as long as you like.
#
#   ruby -Ilib examples/redis_server.rb [host:port]            (default 127.0.0.1:6380)
#
#   ruby -Ilib examples/redis_client.rb 127.0.0.1:6380 set greeting hello
#   redis-cli -p 6380                                          if you have the original
#   redis-benchmark -p 6380 -t set,get,lpush -P 16 -q
#
# The commands are in `redis/commands.rb`, the connections in `redis/session.rb`. Nothing is kept on a
# disk, nobody has to log in: it is an example.

require "rota"
require_relative "redis/commands"
require_relative "redis/keyspace"
require_relative "redis/session"

$stdout.sync = true

Rota.run do
  keys = Keyspace.new
  commands = Commands.new(keys)
  channels = Channels.new
  listener = Rota.listen(ARGV.fetch(0, "127.0.0.1:6380")) do |stream|
    Session.new(stream.no_delay, commands, channels).run
  rescue SystemCallError, IOError
    # This client's connection broke.
  end

  puts "listening on #{listener.address}"
  Rota.every(1) { keys.sweep }
rescue Interrupt
  listener&.stop
  puts "stopped"
end
