# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "queue_hop",
  title: "Queue hop: items bouncing through pairs of queues",
  operation: "one item through one queue (a push on one side, a pop that waited for it on the other)",
  cases: [
    { pairs: 1 },
    { pairs: 100 }
  ],
  method: "A pair is two queues and two actors, each of which waits for the item, and sends it back. All of it " \
          "happens in one process on one core, so every pop but the sequential one's finds its queue empty."
)
