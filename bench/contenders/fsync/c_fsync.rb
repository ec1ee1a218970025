# frozen_string_literal: true

# The floor: one file, one at a time.
class SyncFloor < Bench::NativeContender
  label "C, fsync"
  about "one loop on one file, pwrite and fsync"
  program "sync"

  def arguments(params) = params.values_at(:warmup, :seconds)
end
