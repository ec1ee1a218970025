# frozen_string_literal: true

require_relative "../support/floor"
require_relative "../support/served"

Bench::Served.new(
  "scheduler_tcp",
  title: "Fiber schedulers: ordinary sockets",
  operation: "one request of the client and its answer",
  cases: [
    { connections: 1, bytes: 64 },
    { connections: 50, bytes: 64 }
  ],
  method: "An echo server on TCPServer, IO#readpartial with a buffer and IO#write: every wait is a hook of " \
          "the scheduler. The client is bench/floor/load_echo.c, as in tcp_echo. Processor time is the " \
          "server's alone."
) do |params, port, pid|
  [Bench::Floor.build("load_echo"), "127.0.0.1", port, params[:connections], params[:bytes],
   params[:seconds], params[:warmup], pid].map(&:to_s)
end
