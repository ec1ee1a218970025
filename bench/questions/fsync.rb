# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "fsync",
  title: "Writes that are on the disk when they return",
  operation: "4 KiB written at the start of a file, and an fsync",
  cases: [{ tasks: 1 }, { tasks: 16 }],
  method: "A file per actor, in the folder for temporary files. Operations per second depend on the disk and its " \
          "file system; with sixteen actors, on who lets the disk do several at a time."
)
