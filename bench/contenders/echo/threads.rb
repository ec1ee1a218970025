# frozen_string_literal: true

require_relative "_on_sockets"

class ThreadEcho < Bench::ThreadServer
  include EchoOnSockets

  about "a thread per connection, readpartial with a buffer and write"
end
