# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "timers_100k",
  title: "Timers: thousands of tasks that sleep",
  operation: "one sleep of a random time up to 100 ms, armed and fired",
  cases: [{ tasks: 2_000 }, { tasks: 20_000 }],
  warmup: 1.0,
  method: "All tasks sleep, again and again, in one process on one core. A hundred thousand timers are armed and " \
          "fired in a quarter of a second, if the contender can. Native threads are left out: a process does not " \
          "have 20,000 of them. Bare fibers have no timers: each only enters the next. The warm-up " \
          "is a second at least, because making 20,000 tasks is not what is asked."
)
