# frozen_string_literal: true

module Rota
  # What a forked child inherits of the run: core takes the scheduler off from Ruby 4.0 on, and nobody the
  # mask. Under them a child without a run of its own could not use Timeout.
  module ForkedChild
    # Ruby's own hook: whatever forks calls it.
    module Hook
      # @private
      def _fork
        pid = super
        scheduler = Fiber.scheduler
        Fiber.set_scheduler(nil) if pid.zero? && scheduler.is_a?(Scheduler) && scheduler.__parents?
        pid
      end
    end

    # Kernel#fork and Process.fork. What was raised in the parent's thread core drops in the child, so that
    # whatever surfaces here is the child's own.
    module Block
      # As Ruby's own.
      # @private
      def fork(&block) = block && ThreadStart.masked? ? super() { ThreadStart.without_mask(&block) } : super
    end
  end
  private_constant :ForkedChild

  Process.singleton_class.prepend(ForkedChild::Hook, ForkedChild::Block)
  Kernel.singleton_class.prepend(ForkedChild::Block)
  Kernel.prepend(ForkedChild::Block.dup.tap { |block| block.send(:private, :fork) })

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
