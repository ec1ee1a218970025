# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "spin_end",
  answered_by: "tasks",
  title: "Tasks that begin and end",
  operation: "one task with an empty block, begun and ended, a hundred at a time",
  cases: [{ work: "spin_end" }],
  method: "One process on one core. Sequential Ruby's row is a fiber made and resumed to its end."
)
