# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "fiber_switch",
  answered_by: "tasks",
  title: "Switching from one task to the next",
  operation: "one switch between two tasks that give way to each other",
  cases: [{ work: "switch" }],
  method: "One process on one core. Native threads pass; sequential Ruby's row is a bare Fiber#transfer, without a " \
          "run queue: the floor of the language."
)
