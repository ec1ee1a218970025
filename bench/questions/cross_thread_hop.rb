# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "cross_thread_hop",
  title: "Items between tasks of two threads",
  operation: "one item from one thread to the other (p50 and p99: there and back)",
  cases: [{ pairs: 1 }, { pairs: 100 }],
  method: "Like queue_hop, but the two actors of a pair live in two threads of one process, on one core. So every " \
          "hop needs the lock of the interpreter to change hands; with a hundred pairs, hops may share that."
)
