# frozen_string_literal: true

module Rota
  class << self
    # Runs a process, starts it again by policy, and returns when it has ended for good. It ends with
    # its task: TERM, then KILL after the grace period. Meant for a task of its own:
    #
    #   Rota.spin { Rota.watch_process("redis-server", restart: :always) }
    #
    # @param command [Array<Hash, String, Array>] as for {Rota.spawn}; none: the block is run, in a
    #   forked child, as by {Rota.fork}
    # @param restart [Symbol, nil] +:always+, +:on_error+ (anything but exit status 0), or nil
    # @param max_restarts [Integer] how many restarts are allowed ...
    # @param within [Numeric] ... within so many seconds
    # @param backoff [Numeric, nil] seconds before a restart, doubled each time in a row, with jitter,
    #   up to a minute; a process that ran for longer than +within+ ends the row
    # @param grace [Numeric] seconds between TERM and KILL
    # @param pgroup [Boolean] a process group of its own, to which the signals go
    # @param on_start [#call, nil] given the {ChildProcess} that was started
    # @param on_end [#call, nil] given the {ChildProcess} that has ended
    # @param options [Hash] as for {Rota.spawn}
    # @return [Process::Status] of its last end
    # @raise [Rota::SupervisionError] too many restarts
    # @raise [SystemCallError] +Errno::ENOENT+: command not found ...
    # @raise [ArgumentError] a command and a block, or neither; an unknown policy
    def watch_process(*command, **options, &block)
      ProcessWatcher.new(command, **options, &block).run
    end
  end

  # One call of {Rota.watch_process}.
  #
  # @api private
  class ProcessWatcher
    def initialize(command, restart: nil, max_restarts: 3, within: 5, backoff: nil, grace: ChildProcess::GRACE,
                   pgroup: false, on_start: nil, on_end: nil, **options, &block)
      raise ArgumentError, "a command or a block, not both" if command.empty? != !block.nil?
      raise ArgumentError, "a block takes no options of a command" unless command.any? || options.empty?

      Supervisor.require_one_of(:restart, restart, Supervisor::POLICIES)
      @command = command
      @options = options
      @block = block
      @restart = restart
      @limit = Supervisor::RestartLimit.new(max_restarts, within)
      @backoff = backoff && Supervisor::Backoff.new(backoff, within)
      @grace = grace
      @pgroup = pgroup
      @on_start = on_start
      @on_end = on_end
    end

    def run
      loop do
        status = run_once
        return status unless wanted?(status)

        give_up(status) unless @limit.allow?
        Rota.sleep(@backoff.next) if @backoff
      end
    end

    private

    def run_once
      child = start
      @on_start&.call(child)
      child.wait
      @on_end&.call(child)
      child.status
    ensure
      child&.terminate
    end

    def start
      return Rota.spawn(*@command, grace: @grace, pgroup: @pgroup || nil, **@options) unless @block

      ChildProcess.new("fork", grace: @grace, group: @pgroup) { fork_child }
    end

    # Both set the group: whoever comes first.
    def fork_child
      pid = Rota.fork do
        Process.setpgid(0, 0) if @pgroup
        @block.call
      end
      Process.setpgid(pid, pid) if @pgroup
      pid
    rescue Errno::EACCES, Errno::ESRCH # it has set it already
      pid
    end

    def wanted?(status) = @restart == :always || (@restart == :on_error && !status.success?)

    def give_up(status)
      name = @block ? "the block" : ProcessLauncher.new(@command, {}).name
      raise SupervisionError, "more than #{@limit}: #{name} ended again (#{ProcessLauncher.describe(status)})"
    end
  end
end
