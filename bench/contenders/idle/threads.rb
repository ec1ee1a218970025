# frozen_string_literal: true

require_relative "_on_sockets"

class ThreadIdle < Bench::ThreadServer
  include IdleOnSockets

  about "a thread per connection, IO#readpartial without a buffer and IO#write"
end
