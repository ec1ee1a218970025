# frozen_string_literal: true

require_relative "../support/floor"
require_relative "../support/served"

Bench::Served.new(
  "tcp_echo",
  title: "TCP echo on the loopback interface",
  operation: "one request of the client and its answer",
  cases: [
    { connections: 1, bytes: 64 },
    { connections: 50, bytes: 64 }
  ],
  method: "The client is bench/floor/load_echo.c: an epoll loop in which each connection has one request " \
          "on its way, and which compares every answer with its request. Processor time is the server's " \
          "alone. With one connection both sides mostly wake each other, so the latency counts; with " \
          "fifty the client is close to its limit, so compare the processor time per request."
) do |params, port, pid|
  [Bench::Floor.build("load_echo"), "127.0.0.1", port, params[:connections], params[:bytes],
   params[:seconds], params[:warmup], pid].map(&:to_s)
end
