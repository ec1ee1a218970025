# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "task_costs",
  title: "Tasks: what it costs to switch, to begin and end, to await, to set a deadline",
  operation: "one snooze between two tasks; one task spun and ended, a hundred at a time; one task spun and " \
             "awaited; one block under a deadline that does not fire",
  cases: [
    { work: "snooze" },
    { work: "spin_end" },
    { work: "spin_await" },
    { work: "timeout" }
  ],
  method: "One process on one core. Native threads pass instead of snoozing, and their deadline is Timeout.timeout."
)
