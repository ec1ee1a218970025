# frozen_string_literal: true

require_relative "_on_sockets"

class CarbonFiberEcho < Bench::CarbonFiberServer
  include EchoOnSockets

  about "a fiber per connection, IO#readpartial with a buffer and IO#write"
end
