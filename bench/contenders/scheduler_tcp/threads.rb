# frozen_string_literal: true

require_relative "../echo/_on_sockets"

class ThreadSchedulerEcho < Bench::ThreadServer
  include EchoOnSockets

  about "no scheduler, a thread per connection, IO#readpartial with a buffer and IO#write"
end
