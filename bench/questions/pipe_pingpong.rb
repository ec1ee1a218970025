# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "pipe_pingpong",
  answered_by: "pairs",
  title: "Pipe ping-pong: messages bouncing through pairs of pipes",
  operation: "one message through one pipe (a write on one side, a read on the other)",
  cases: [
    { pairs: 1, bytes: 1024, transport: "pipe" },
    { pairs: 100, bytes: 1024, transport: "pipe" }
  ],
  method: "A pair is two pipes and two actors, each of which waits for the message, and sends it back. All of it " \
          "happens in one process on one core. Reads go into the caller's buffer."
)
