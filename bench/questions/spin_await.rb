# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "spin_await",
  answered_by: "tasks",
  title: "A task begun and awaited",
  operation: "one task with an empty block, begun and awaited",
  cases: [{ work: "spin_await" }],
  method: "One process on one core. Sequential Ruby's row is a fiber made and resumed to its end."
)
