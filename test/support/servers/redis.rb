# frozen_string_literal: true

require_relative "../server_process"

# Redis, which keeps nothing.
class RedisServer < ServerProcess
  def self.program = find("redis-server")

  private

  def command
    [self.class.program, "--port", port.to_s, "--bind", "127.0.0.1", "--unixsocket", "#{folder}/socket",
     "--unixsocketperm", "777", "--save", "", "--dir", folder]
  end
end
