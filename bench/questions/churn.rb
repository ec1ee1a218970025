# frozen_string_literal: true

require_relative "../support/load"

Bench::Loaded.new(
  "churn",
  answered_by: "echo",
  title: "Connections that come and go",
  operation: "one connection: accepted, a request of 64 bytes echoed, closed",
  cases: [{ connections: 50, bytes: 64 }],
  method: "The client is bench/floor/load_churn.c, which keeps fifty connections open. p50 and p99 are from before " \
          "the connect to the last byte of the answer.",
  program: "load_churn", own: %i[bytes]
)
