# frozen_string_literal: true

require_relative "../support/load"

Bench::Loaded.new(
  "idle_10k",
  answered_by: "idle",
  title: "10,000 idle connections",
  operation: "one connection: accepted, a request of 64 bytes echoed, then silence",
  cases: [{ connections: 10_000, bytes: 64 }],
  method: "The client is bench/floor/load_idle.c. *KiB each* is what the server's resident memory has grown by when " \
          "all connections are silent, divided by their number; the kernel's own memory is not in it. Both " \
          "processes need 10,000 descriptors. Reads have no buffer of the caller's, which would be held while " \
          "nobody sends; who lets a connection be served without one does.",
  patience: 40,
  program: "load_idle", own: %i[bytes]
)
