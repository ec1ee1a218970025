# frozen_string_literal: true

module Rota
  # A process that {Rota.spawn} started. It belongs to the task that did so: a task of its own waits
  # for it from the beginning, so it is never a zombie, and ends it when its parent ends.
  class ChildProcess
    # Seconds between TERM and KILL.
    GRACE = 3
    # How often a group without its leader is asked whether anybody is left in it.
    GROUP_INTERVAL = 0.01
    private_constant :GROUP_INTERVAL

    # @return [Integer]
    attr_reader :pid
    # @return [Rota::Stream, nil] what the process reads, with <tt>in: :pipe</tt>
    attr_reader :stdin
    # @return [Rota::Stream, nil] what it prints, with <tt>out: :pipe</tt>
    attr_reader :stdout
    # @return [Rota::Stream, nil] ... as errors, with <tt>err: :pipe</tt>
    attr_reader :stderr
    # @return [Process::Status, nil] nil while it runs
    attr_reader :status

    # @private
    def initialize(tag, grace: GRACE, group: false, streams: {}, &launch)
      self.grace = grace
      @group = group
      @stdin, @stdout, @stderr = streams.values_at(:in, :out, :err)
      @parent = Process.pid
      hand_over(tag, launch)
    end

    # Waits for its end, and sets <tt>$?</tt>. From any task or thread with a loop, again and again.
    #
    # @param timeout [Numeric, nil] seconds
    # @return [Process::Status]
    # @raise [Rota::TimeoutError] it still runs; it goes on
    # @raise [SystemCallError] +Errno::ECHILD+: somebody else has waited for it, or it is not this
    #   process' child but its parent's
    def wait(timeout = nil)
      raise Errno::ECHILD, "wait" unless @parent == Process.pid

      @keeper.await(timeout)
      raise Errno::ECHILD, "wait" unless @status

      Loop.__set_last_status(@status.pid, @status.to_i)
      @status
    end

    # @return [Boolean] it runs, or its end is not known yet
    def alive? = @keeper.alive?

    # Sends a signal, to all of its process group if it was started with <tt>pgroup: true</tt>.
    #
    # @param signal [Symbol, String, Integer]
    # @return [self]
    # @raise [SystemCallError] +Errno::ESRCH+: it has ended
    # @raise [ArgumentError] unknown signal
    def kill(signal)
      raise Errno::ESRCH, "kill" unless alive? && @parent == Process.pid

      Process.kill(signal, target)
      self
    end

    # Ends it as its task's end does: TERM, and KILL when the grace period is over. Returns when it has
    # ended; does nothing when it has ended before, or is not this process' child but its parent's.
    #
    # @param grace [Numeric] seconds
    # @return [Process::Status, nil] nil if somebody else waited for it
    # @raise [ArgumentError] grace: is no number of seconds; the process goes on
    def terminate(grace: @grace)
      self.grace = grace
      return @status unless @parent == Process.pid

      @keeper.terminate
      @keeper.join
      @status
    end

    # Closes the streams to it that are open.
    #
    # @return [nil]
    def close
      [@stdin, @stdout, @stderr].each { |stream| stream&.close }
      nil
    end

    # @return [String]
    def inspect
      "#<Rota::ChildProcess #{@keeper.tag} #{alive? ? "pid #{@pid}" : @status.inspect}>"
    end

    private

    def grace=(seconds)
      raise ArgumentError, "grace: must be seconds" unless seconds.is_a?(Numeric) && !seconds.negative?

      @grace = seconds
    end

    # The keeper starts the process, because a task that was never entered has no end in which it
    # could end it. Whoever is interrupted meanwhile has no process. A keeper that somebody ends before
    # it ran tells nothing.
    def hand_over(tag, launch)
      launched = Event.new
      @keeper = Rota.spin(tag) { keep(launch, launched) }.__set_apart
      teller, failure = Rota.select(launched, @keeper)
      raise failure if failure
      raise Error, "the process' task was ended before it could start it" unless teller.equal?(launched)

      handed_over = true
    ensure
      @keeper&.terminate unless handed_over
    end

    def keep(launch, launched)
      return unless launch(launch, launched)

      @status = Rota.loop.waitpid(@pid)
      ended = true
    rescue Errno::ECHILD
      ended = true
    ensure
      Rota.shield { end_process } if @pid && !ended
    end

    # What is raised in the thread while Ruby waits for the exec would lose the number, and with it the
    # process. A child that is forked takes exceptions again as soon as its run begins.
    def launch(launch, launched)
      Thread.handle_interrupt(::Exception => :never) { @pid = launch.call }
      launched.signal
    rescue StandardError => e
      launched.signal(e)
      nil
    end

    def end_process
      close
      try_kill(:TERM)
      return if ends_in_time?

      try_kill(:KILL)
      await_leader
    end

    def ends_in_time?
      Rota.move_on_after(@grace, with_value: false) { await_end }
    rescue NoMemoryError, Errno::ENOMEM # no time can be kept
      false
    end

    def await_end
      await_leader
      Rota.sleep(GROUP_INTERVAL) while @group && anybody_left?
      true
    end

    # Orphans become children of process 1, which we may be.
    def anybody_left?
      Process.wait(target, Process::WNOHANG)
    rescue Errno::ECHILD
      try_kill(0)
    else
      true
    end

    def await_leader
      @status ||= Rota.loop.waitpid(@pid)
    rescue NoMemoryError, Errno::ENOMEM # no process is left behind for want of a request
      Rota.snooze
      retry
    rescue Errno::ECHILD
      nil
    end

    def try_kill(signal)
      Process.kill(signal, target)
    rescue Errno::ESRCH, Errno::EPERM # nobody left, or nobody that is ours
      nil
    end

    def target = @group ? -@pid : @pid
  end
end
