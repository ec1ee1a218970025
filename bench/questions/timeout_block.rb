# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "timeout_block",
  answered_by: "tasks",
  title: "A block under a deadline that does not fire",
  operation: "one empty block with a deadline of ten seconds",
  cases: [{ work: "timeout" }],
  method: "One process on one core. Native threads use Timeout.timeout. Sequential Ruby's row reads the clock and " \
          "calls the block, and would never interrupt it: the floor of the language."
)
