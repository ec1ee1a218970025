# frozen_string_literal: true

require_relative "_on_sockets"

class AsyncLines < Bench::AsyncServer
  include LinesOnSockets

  about "a task per connection, IO#gets and IO#write"
end
