# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "process_spawn",
  title: "Processes begun and waited for",
  operation: "one `true`, from Process.spawn to its exit status",
  cases: [{ tasks: 1 }, { tasks: 8 }],
  method: "The children share the core with the measured process, whose processor time alone is counted."
)
