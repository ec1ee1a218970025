# frozen_string_literal: true

require_relative "calls/perf"
require_relative "calls/strace"

module Bench
  # Counts the system calls of a running process, in a round of its own because it costs time.
  # perf is preferred: strace slows each call down so much that batches become larger than they are.
  module Calls
    module_function

    # The tool that works here, or nil.
    def tool
      return @tool if defined?(@tool)

      @tool = [Perf, Strace].find(&:usable?)
    end

    def description
      return "system calls not counted (neither perf nor strace works here)" unless tool

      "system calls counted with #{tool::NAME} in a separate round"
    end
  end
end
