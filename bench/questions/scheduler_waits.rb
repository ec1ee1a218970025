# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "scheduler_waits",
  title: "Fiber schedulers: queues and sleeps",
  operation: "one item through one Thread::Queue, or one sleep(0)",
  cases: [
    { what: "queue", pairs: 1 },
    { what: "queue", pairs: 100 },
    { what: "sleep", pairs: 100 }
  ],
  method: "A pair is two queues and two fibers that send an item to and fro (block and unblock), or two " \
          "fibers that give way (kernel_sleep)."
)
