# frozen_string_literal: true

module Rota
  class << self
    # Forks a process that runs the block under {Rota.run}: with a loop of its own, none of this
    # process' tasks, and core methods that cooperate. Its exit status is that of the block: +exit+
    # sets it, an uncaught exception is 1, with a message on stderr. Kernel#fork and Process.fork do
    # the same without the run.
    #
    # The child is nobody's: wait for it, or use {Rota.watch_process}.
    #
    # @param options [Hash] of {Rota.run}
    # @return [Integer] its pid
    # @raise [SystemCallError] +Errno::EAGAIN+: too many processes
    def fork(**options, &block)
      raise ArgumentError, "no block given" unless block

      Process.fork { run(**options, &block) }
    end
  end
end
