# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "scheduler_http",
  title: "Fiber schedulers: Net::HTTP",
  operation: "one GET with Net::HTTP on a connection that stays, and its answer of 16 bytes",
  cases: [{ clients: 1 }, { clients: 50 }],
  method: "The measured process is the client; the server is bench/floor/echo_uring.c on the other core. Nearly all " \
          "of the time is Net::HTTP's own."
)
