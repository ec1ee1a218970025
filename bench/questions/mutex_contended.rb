# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "mutex_contended",
  title: "Contended mutex: actors that all want the same lock",
  operation: "one critical section (lock, let the others run once, unlock)",
  cases: [
    { actors: 2 },
    { actors: 100 }
  ],
  method: "Each actor locks the one mutex, lets the others run while it holds it, and unlocks, again and again. So " \
          "whoever comes finds it locked. All of it happens in one process on one core."
)
