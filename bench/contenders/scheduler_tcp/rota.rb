# frozen_string_literal: true

require_relative "../echo/_on_sockets"

class RotaSchedulerEcho < Bench::RotaSchedulerServer
  include EchoOnSockets

  about "a task per connection, IO#readpartial with a buffer and IO#write"
end
