# frozen_string_literal: true

require_relative "_on_sockets"

class ThreadStreaming < Bench::ThreadServer
  include StreamingOnSockets

  about "a thread per connection, IO#write"
end
