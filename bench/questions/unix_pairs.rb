# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "unix_pairs",
  answered_by: "pairs",
  title: "UNIX pairs: messages bouncing through pairs of UNIX sockets",
  operation: "one message from one socket to the other",
  cases: [
    { pairs: 1, bytes: 1024, transport: "unix" },
    { pairs: 100, bytes: 1024, transport: "unix" }
  ],
  method: "A pair is two connected stream sockets and two actors, each of which waits for the message, and sends it " \
          "back. All of it happens in one process on one core. Reads go into the caller's buffer."
)
