# frozen_string_literal: true

module Rota
  # A lock that its owner may enter again, with the methods of Ruby's Monitor. The owner is the task.
  class Monitor
    # @return [Rota::Monitor::ConditionVariable] a condition to wait for inside this monitor
    def new_cond = ConditionVariable.new(self)

    # Leaves the monitor, waits for a signal of +cond+, and enters it again.
    #
    # @param cond [Rota::ConditionVariable]
    # @param timeout [Numeric, nil] seconds
    # @return [Boolean] false when the time was up
    def wait_for_cond(cond, timeout)
      !cond.wait(self, timeout).nil?
    end

    # A condition variable that knows its monitor.
    class ConditionVariable
      # @param monitor [Rota::Monitor]
      def initialize(monitor)
        @monitor = monitor
        @cond = Rota::ConditionVariable.new
      end

      # Leaves the monitor, waits for a signal, and enters it again.
      #
      # @param timeout [Numeric, nil] seconds
      # @return [Boolean] false when the time was up
      # @raise [ThreadError] the current task is not in the monitor
      def wait(timeout = nil)
        @monitor.mon_check_owner
        @monitor.wait_for_cond(@cond, timeout)
      end

      # Waits while the block is true.
      def wait_while
        wait while yield
      end

      # Waits until the block is true.
      def wait_until
        wait until yield
      end

      # Wakes the first who waits.
      #
      # @return [Rota::ConditionVariable]
      # @raise [ThreadError] the current task is not in the monitor
      def signal
        @monitor.mon_check_owner
        @cond.signal
      end

      # Wakes all who wait.
      #
      # @return [Rota::ConditionVariable]
      # @raise [ThreadError] the current task is not in the monitor
      def broadcast
        @monitor.mon_check_owner
        @cond.broadcast
      end
    end
  end
end
