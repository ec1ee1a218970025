# frozen_string_literal: true

# The floor with io_uring.
class UringIdle < Bench::NativeContender
  label "C, io_uring"
  about "DEFER_TASKRUN, registered ring, multishot accept and receive, provided buffers, batched sends"
  program "echo_uring"
end
