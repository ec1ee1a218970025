# frozen_string_literal: true

require_relative "../echo/_on_sockets"

class UringMachineSchedulerEcho < Bench::UringMachineSchedulerServer
  include EchoOnSockets

  about "UM::FiberScheduler, a fiber per connection, IO#readpartial with a buffer and IO#write"
end
