# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "sleepers",
  title: "Timers: many tasks that sleep",
  operation: "one sleep of a random time up to 100 ms, armed and fired",
  cases: [
    { tasks: 1_000 },
    { tasks: 20_000 }
  ],
  method: "All tasks sleep, again and again, in one process on one core. A hundred thousand timers are armed and " \
          "fired by 20,000 tasks in half a second, if the contender can. Native threads are left out: a process " \
          "does not have 20,000 of them."
)
