# frozen_string_literal: true

# The floor with epoll.
class EpollPipes < Bench::NativeContender
  label "C, epoll"
  about "one loop, level-triggered, every end registered once"
  program "pipe_epoll"

  def arguments(params) = params.values_at(:pairs, :bytes, :warmup, :seconds)
end
