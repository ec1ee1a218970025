# frozen_string_literal: true

# The floor in the order that Rota uses.
class UringPairsReadsLast < Bench::NativeContender
  label "C, io_uring, reads last"
  about "the same, but each read is queued behind the writes that bring its message"
  program "pairs_uring"

  def arguments(params) = [*params.values_at(:pairs, :bytes, :warmup, :seconds, :transport), "reads_last"]
end
