# frozen_string_literal: true

require_relative "../support/load"

Bench::Loaded.new(
  "tcp_echo",
  answered_by: "echo",
  title: "TCP echo on the loopback interface",
  operation: "one request of the client and its answer",
  cases: [
    { connections: 1, bytes: 64 },
    { connections: 50, bytes: 64 },
    { connections: 1000, bytes: 64 },
    { connections: 50, bytes: 4096 }
  ].map { |params| params.merge(line: 0) },
  warmup: 0.5,
  method: "The client is bench/floor/load_echo.c: an epoll loop in which each connection has one request on its " \
          "way, and which compares every answer with its request. Processor time is the server's alone. With one " \
          "connection both sides mostly wake each other, so the latency counts; with fifty the client is close to " \
          "its limit, so compare the processor time per request.",
  program: "load_echo", own: %i[bytes line]
)
