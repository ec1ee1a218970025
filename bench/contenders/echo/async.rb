# frozen_string_literal: true

require_relative "_on_sockets"

class AsyncEcho < Bench::AsyncServer
  include EchoOnSockets

  about "a task per connection, IO#readpartial with a buffer and IO#write"
end
