# frozen_string_literal: true

# The floor with io_uring: nothing is parsed.
class UringHTTP < Bench::NativeContender
  label "C, io_uring"
  about "as for tcp_echo, with the same answer to whatever arrives"
  program "echo_uring"

  def arguments(params) = [params[:body]]
end
