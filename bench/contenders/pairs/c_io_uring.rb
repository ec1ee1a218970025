# frozen_string_literal: true

# The floor with io_uring, doing what Rota's verbs do: the caller's buffers, one-shot operations.
class UringPairs < Bench::NativeContender
  label "C, io_uring"
  about "DEFER_TASKRUN, registered ring and files, one-shot reads and writes, one enter per batch"
  program "pairs_uring"

  def arguments(params) = params.values_at(:pairs, :bytes, :warmup, :seconds, :transport)
end
