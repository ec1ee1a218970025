# frozen_string_literal: true

module Rota
  class << self
    # Runs the block when the process gets a signal: in a task of its own, which goes first, may wait
    # and do I/O as any other. Its exceptions go to the root task.
    #
    # Until the end of the run, whose root task the handler's tasks are children of; then what was
    # there before is put back. As long as it is there nothing counts as a deadlock.
    #
    #   Rota.trap(:HUP) { config.replace(Rota::Files.read("config.json")) }
    #
    # @param signal [Symbol, String, Integer] as for Kernel#trap
    # @yieldparam number [Integer] the signal's number
    # @return [Rota::Trap]
    # @raise [ArgumentError] unknown signals, and those that Ruby needs
    # @raise [SystemCallError] +Errno::EINVAL+: KILL and STOP
    def trap(signal, &block)
      raise ArgumentError, "no block given" unless block

      Trap.new(signal, block)
    end
  end

  # A handler that {Rota.trap} installed.
  class Trap
    @installed = []

    class << self
      # In the order of their installation.
      #
      # @private
      attr_reader :installed

      # The run of a root task ends.
      #
      # @private
      def leave(root)
        return unless Signals.main_ractor?

        @installed.select { |trap| trap.__of?(root) }.reverse_each(&:remove)
      end
    end

    # @private
    def initialize(signal, block)
      @signal = signal
      @block = block
      @root = Task.__root
      @pid = Process.pid
      @handler = proc { |number| deliver(number) }
      @previous = Kernel.trap(signal, @handler)
      Trap.installed << self
    end

    # Puts back the handler that was there before. A second call does nothing.
    #
    # @return [nil]
    def remove
      return unless Trap.installed.delete(self)

      current = Kernel.trap(@signal, @previous || "DEFAULT")
      Kernel.trap(@signal, current) unless current.equal?(@handler) # somebody's, over ours
      nil
    end

    # @private
    def __of?(root) = @root.equal?(root)

    private

    # Runs wherever the main thread happens to be.
    def deliver(number)
      return hand_back(number) if Process.pid != @pid

      block = @block
      @root.__spin_first("SIG#{Signal.signame(number)}") { block.call(number) }
    end

    # A forked child has none of our tasks: it is as if the handler had never been there.
    def hand_back(number)
      remove
      Process.kill(number, Process.pid)
    end
  end
end
