# frozen_string_literal: true

# The floor with io_uring.
class UringLines < Bench::NativeContender
  label "C, io_uring"
  about "as for tcp_echo: what arrives goes back, and nobody looks for the ends of lines"
  program "echo_uring"
end
