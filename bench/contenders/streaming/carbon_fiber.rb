# frozen_string_literal: true

require_relative "_on_sockets"

class CarbonFiberStreaming < Bench::CarbonFiberServer
  include StreamingOnSockets

  about "a fiber per connection, IO#write"
end
