# frozen_string_literal: true

# The floor with epoll.
class EpollPairs < Bench::NativeContender
  label "C, epoll"
  about "one loop, level-triggered, every end registered once"
  program "pairs_epoll"

  def arguments(params) = params.values_at(:pairs, :bytes, :warmup, :seconds, :transport)
end
