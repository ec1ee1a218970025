# frozen_string_literal: true

require_relative "../support/load"

Bench::Loaded.new(
  "line_protocol",
  answered_by: "lines",
  title: "A line protocol: lines come back, one by one",
  operation: "one line of the client and the same line back",
  cases: [
    { connections: 50, bytes: 32, line: 32 },
    { connections: 50, bytes: 512, line: 32 }
  ],
  method: "The client is bench/floor/load_echo.c with lines of 32 bytes: one at a time, or sixteen sent together " \
          "(the latency is that of all sixteen). The server reads a line and writes it, as a cache or a mail server " \
          "would. Sequential Ruby is left out: lines and IO.select do not go together.",
  program: "load_echo", own: %i[bytes line]
)
