# frozen_string_literal: true

require_relative "_on_sockets"

class CarbonFiberIdle < Bench::CarbonFiberServer
  include IdleOnSockets

  about "a fiber per connection, IO#readpartial without a buffer and IO#write"
end
