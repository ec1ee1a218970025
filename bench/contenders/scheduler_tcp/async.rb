# frozen_string_literal: true

require_relative "../echo/_on_sockets"

class AsyncSchedulerEcho < Bench::AsyncServer
  include EchoOnSockets

  about "a task per connection, IO#readpartial with a buffer and IO#write"
end
