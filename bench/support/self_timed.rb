# frozen_string_literal: true

require_relative "question"

module Bench
  # A question whose work is all within the measured process, which takes its own times.
  class SelfTimed < Question
    private

    def tells_window?(contender) = contender.is_a?(RubyContender)

    # Yields the pid when the process is set up and idle.
    def measure(contender, params, wrapper = [])
      Child.start(Pinning.measured(contender.command(params, wrapper))) do |child|
        child.await("ready")
        yield child.pid
        child.tell("go")
        result = child.await("result", seconds: params[:warmup] + params[:seconds] + Child::START_SECONDS)
        raise Child::Failure, child.complaint unless child.wait && child.success?

        result
      end
    end
  end
end
