# frozen_string_literal: true

require_relative "_on_sockets"

class PolyphonyStreaming < Bench::PolyphonyServer
  include StreamingOnSockets

  about "a fiber per connection, IO#write"
end
