# frozen_string_literal: true

require_relative "../echo/_on_sockets"

class CarbonFiberSchedulerEcho < Bench::CarbonFiberServer
  include EchoOnSockets

  about "a fiber per connection, IO#readpartial with a buffer and IO#write"
end
