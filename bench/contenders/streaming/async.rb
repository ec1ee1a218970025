# frozen_string_literal: true

require_relative "_on_sockets"

class AsyncStreaming < Bench::AsyncServer
  include StreamingOnSockets

  about "a task per connection, IO#write"
end
