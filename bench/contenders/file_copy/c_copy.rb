# frozen_string_literal: true

# The floor: the kernel copies.
class FileRangeCopy < Bench::NativeContender
  label "C, copy_file_range"
  about "one loop"
  program "copy"

  def arguments(params) = params.values_at(:kib, :warmup, :seconds)
end
