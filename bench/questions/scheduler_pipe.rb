# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "scheduler_pipe",
  title: "Fiber schedulers: ordinary IO on pipes",
  operation: "one message through one pipe (IO#write on one side, IO#readpartial on the other)",
  cases: [
    { pairs: 1, bytes: 1024 },
    { pairs: 100, bytes: 1024 }
  ],
  method: "A pair is two pipes and two fibers, each of which waits for the message, and sends it back, " \
          "with Ruby's own methods: every wait is a hook of the scheduler. All of it happens in one " \
          "process on one core. Reads go into the caller's buffer."
)
