# frozen_string_literal: true

# The floor with epoll.
class EpollLines < Bench::NativeContender
  label "C, epoll"
  about "as for tcp_echo: what arrives goes back, and nobody looks for the ends of lines"
  program "echo_epoll"
end
