# frozen_string_literal: true

module Rota
  class << self
    # Runs the block when the process gets a signal: in a task of its own, which goes first, may wait
    # and do I/O as any other. Its exceptions go to the root task.
    #
    # Until the end of the run, whose root task the handler's tasks are children of; then what was
    # there before is put back. As long as it is there nothing counts as a deadlock. A script's, outside
    # of {Rota.run}, also works in the runs to come.
    #
    #   Rota.trap(:HUP) { config.replace(Rota::Files.read("config.json")) }
    #
    # @param signal [Symbol, String, Integer] as for Kernel#trap
    # @yieldparam number [Integer] the signal's number
    # @return [Rota::Trap]
    # @raise [ArgumentError] unknown signals, those that Ruby needs, and EXIT
    # @raise [SystemCallError] +Errno::EINVAL+: KILL and STOP
    def trap(signal, &block)
      raise ArgumentError, "no block given" unless block
      raise ArgumentError, "EXIT is no signal: at_exit is for it" if [0, "EXIT"].include?(plain(signal))

      Trap.new(signal, block)
    end

    private

    def plain(signal) = signal.is_a?(Integer) ? signal : signal.to_s.delete_prefix("SIG")
  end

  # A handler that {Rota.trap} installed.
  class Trap
    @installed = []

    class << self
      # In the order of their installation.
      #
      # @private
      attr_reader :installed

      # Those of the run of this root task end with the block.
      #
      # @private
      def until_end_of(root)
        yield
      ensure
        @installed.select { |trap| trap.__of?(root) }.reverse_each(&:remove) if Signals.main_ractor?
      end
    end

    # @private
    def initialize(signal, block)
      @signal = signal
      @block = block
      @root = Task.__root
      @script = Rota.loop.__script?
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

      @removed = true
      return if Trap.installed.any? { |trap| trap.__put_under(@handler, @previous) }

      current = Kernel.trap(@signal, @previous || "DEFAULT")
      Kernel.trap(@signal, current) unless current.equal?(@handler) # somebody's, over ours
      nil
    end

    # @private
    def __of?(root) = @root.equal?(root)

    # If it lies over the handler: over +previous+ from now on, which the handler lay over.
    #
    # @private
    def __put_under(handler, previous)
      return false unless @previous.equal?(handler)

      @previous = previous
      true
    end

    private

    # Runs wherever the main thread happens to be. The loop of a script gives way to that of
    # Rota.run, whose root task the handler's is a child of then.
    def deliver(number)
      hand_back(number) unless !@removed && Process.pid == @pid &&
                               (spin(@root, number) || (@script && Rota.loop? && spin(Task.__root, number)))
    end

    def spin(root, number)
      block = @block
      root.__spin_first("SIG#{Signal.signame(number)}") { block.call(number) }
    end

    # It is as if the handler had never been there: a forked child has none of our tasks, after the
    # end of the run nothing could run one, and a handler that lay over ours may have kept it, and
    # calls it or has put it back after its removal.
    def hand_back(number)
      remove
      return @previous.call(number) if @previous.is_a?(Proc)

      Kernel.trap(@signal, @previous || "DEFAULT")
      Process.kill(number, Process.pid)
    end
  end
end
