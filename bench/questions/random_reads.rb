# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "random_reads",
  title: "Random reads of a file in the page cache",
  operation: "4 KiB read at a random offset of 64 MiB into the caller's buffer",
  cases: [{ tasks: 1 }, { tasks: 32 }],
  method: "One process on one core. The file was just written, so nobody waits for a disk: what is measured is what " \
          "it takes to notice that. Actors give way after a hundred reads."
)
