# frozen_string_literal: true

# The floor: what is in the page cache costs one system call and the copy.
class PreadReads < Bench::NativeContender
  label "C, pread"
  about "one loop"
  program "reads"

  def arguments(params) = params.values_at(:warmup, :seconds)
end
