# frozen_string_literal: true

require_relative "../support/load"

Bench::Loaded.new(
  "scheduler_tcp",
  title: "Fiber schedulers: ordinary sockets",
  operation: "one request of the client and its answer",
  cases: [
    { connections: 1, bytes: 64, line: 0 },
    { connections: 50, bytes: 64, line: 0 }
  ],
  method: "An echo server on TCPServer, IO#readpartial with a buffer and IO#write: every wait is a hook of " \
          "the scheduler. The client is bench/floor/load_echo.c, as in tcp_echo. Processor time is the " \
          "server's alone.",
  program: "load_echo", own: %i[bytes line]
)
