# frozen_string_literal: true

require_relative "_on_sockets"

class ThreadLines < Bench::ThreadServer
  include LinesOnSockets

  about "a thread per connection, gets and write"
end
