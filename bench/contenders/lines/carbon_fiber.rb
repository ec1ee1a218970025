# frozen_string_literal: true

require_relative "_on_sockets"

class CarbonFiberLines < Bench::CarbonFiberServer
  include LinesOnSockets

  about "a fiber per connection, IO#gets and IO#write"
end
