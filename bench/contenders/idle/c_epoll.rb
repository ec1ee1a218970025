# frozen_string_literal: true

# The floor with epoll.
class EpollIdle < Bench::NativeContender
  label "C, epoll"
  about "one loop, level-triggered, each connection registered once"
  program "echo_epoll"
end
