# frozen_string_literal: true

# The floor with epoll.
class EpollStreaming < Bench::NativeContender
  label "C, epoll"
  about "one loop, level-triggered, one send per turn and connection"
  program "stream_epoll"
end
