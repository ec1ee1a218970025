# frozen_string_literal: true

require_relative "_on_sockets"

class AsyncIdle < Bench::AsyncServer
  include IdleOnSockets

  about "a task per connection, IO#readpartial without a buffer and IO#write"
end
