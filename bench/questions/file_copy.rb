# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "file_copy",
  title: "Copying a file that is in the page cache",
  operation: "one file copied to another, which is cut to nothing before",
  cases: [{ kib: 64 }, { kib: 16_384 }],
  method: "One process on one core, one copy after the other, into the folder for temporary files. Rota's copy is a " \
          "task's: others run meanwhile, which nobody asks for here. Its workers count, as all threads of the process."
)
