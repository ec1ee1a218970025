# frozen_string_literal: true

module Rota
  # Restarts came faster than allowed: the tasks were ended.
  class SupervisionError < Error
  end

  class << self
    # Watches over tasks: tells of each end and restarts by policy, until all have ended for good.
    #
    # Failures of supervised tasks come here and not to their parents. One that has no block, no
    # handler and no restart is raised when all have ended. Awaiting other tasks in a handler is safe.
    # When it is left early, failures that nobody was told of are suppressed by the exception that
    # leaves it, or raised in the current task at its next switchpoint.
    #
    # @param tasks [Array<Rota::Task>] none: all current and future children of the current task, but
    #   for handlers of {Rota.trap}, processes of {Rota.spawn}, and what is spun in a scope inside
    # @param restart [Symbol, nil] +:always+, +:on_error+, or nil
    # @param on_done [#call, nil] given (task, result) of a task that ended with a value
    # @param on_error [#call, nil] given (task, exception) of one that failed
    # @param strategy [Symbol] +:one_for_one+; +:one_for_all+ restarts all when one ends;
    #   +:rest_for_one+ those named behind it, too
    # @param max_restarts [Integer] how many restarts are allowed ...
    # @param within [Numeric] ... within so many seconds
    # @param backoff [Numeric, nil] seconds before a restart, doubled each time in a row, with jitter,
    #   up to a minute; a restart that went well for longer than +within+ ends the row
    # @yieldparam task [Rota::Task] one that has ended
    # @yieldparam result [Object] its value, or exception
    # @return [nil]
    # @raise [TypeError] what is no task, number or handler
    # @raise [Rota::SupervisionError] too many restarts; all are ended first
    # @raise [ArgumentError] an unknown policy or strategy
    def supervise(*tasks, **policy, &block)
      Supervisor.new(tasks.flatten, **policy, &block).run
    end
  end

  # One call of {Rota.supervise}.
  #
  # @api private
  class Supervisor
    POLICIES = [nil, :always, :on_error].freeze
    STRATEGIES = %i[one_for_one one_for_all rest_for_one].freeze
    BACKOFF_MAX = 60

    def self.require_one_of(name, value, known)
      return if known.include?(value)

      raise ArgumentError, "#{name}: must be one of #{known.map(&:inspect).join(', ')}, not #{value.inspect}"
    end

    def initialize(tasks, restart: nil, on_done: nil, on_error: nil, strategy: :one_for_one,
                   max_restarts: 3, within: 5, backoff: nil, &block)
      self.class.require_one_of(:restart, restart, POLICIES)
      self.class.require_one_of(:strategy, strategy, STRATEGIES)
      tasks.each { |task| Task.__check(task) }
      require_handlers(on_done: on_done, on_error: on_error)
      @restart = restart
      @on_done = on_done || block
      @on_error = on_error || block
      @strategy = strategy
      @limit = RestartLimit.new(max_restarts, within)
      @backoff = backoff && Backoff.new(backoff, within)
      @owner = Rota.current
      raise Error, "a task cannot supervise itself" if tasks.include?(@owner)

      @whole_brood = tasks.empty?
      @tasks = tasks
      @ends = Ends.new
      @active = []
      @restarts = [] # to come: [when, whom]
      @failures = [] # Ends that nobody was told of
    end

    def run
      take_over
      while (told = next_end)
        ended(told)
      end
      raise @failures.shift.result unless @failures.empty?
    rescue ::Exception => e
      take_along(e) unless QUIET.any? { |quiet| e.is_a?(quiet) }
      raise
    ensure
      let_go
    end

    private

    # Whoever asked for these looks at nothing that is suppressed in them.
    QUIET = [MoveOn, Terminate, Restart].freeze
    private_constant :QUIET

    def require_handlers(**handlers)
      handlers.each do |name, handler|
        raise TypeError, "#{name}: must have call" unless handler.nil? || handler.respond_to?(:call)
      end
    end

    def take_over
      @outer_brood = @owner.__enter_brood(@ends) if @whole_brood
      @tasks.each { |task| adopt(task) }
      adopt_children
    end

    def adopt_children
      (@owner.__brood_children - @active).each { |task| adopt(task) } if @whole_brood
    end

    def adopt(task)
      @active << task
      @ends.push([task, task.result]) unless task.__supervise(@ends)
    end

    # From now on failures go to parents again. Those that nobody was told of are as if they had
    # happened only now, in children of this task.
    def let_go
      left = @tasks | @active | @ends.moved.keys
      left |= @owner.__brood_children if @whole_brood
      @owner.__leave_brood(@outer_brood) if @whole_brood
      left.each { |task| task.__release(@ends) }
      @ends.close
      untold.each { |told| @owner.__hear_of(told.task, told.result) }
    end

    def take_along(exception)
      failures = untold.map(&:result).reject { |failure| failure.equal?(exception) }
      Rota.__suppress(exception, failures) unless failures.empty?
    end

    # Another supervisor that was told, and is still there, does with it what it was asked to. Tasks
    # whose ends were not read may be none of those that are released: they run again later, or elsewhere.
    def untold
      unread = @ends.shift_all
      unread.each { |told| told.task.__release(@ends) }
      failures = @failures.slice!(0..) + unread.select(&:failed)
      failures.reject { |failure| failure.supervisors.any? { |other| !other.closed? && !other.equal?(@ends) } }
    end

    # The next task that ended, or nil when none is left that could.
    def next_end
      told = nil
      until told
        restart_who_is_due
        adopt_children
        @ends.forget_dead
        return if @active.empty? && @ends.empty?

        told = @ends.pop(timeout: time_to_restart)
      end
      told
    end

    # It may be alive again, restarted with its group or by somebody else; or it was, and ended once
    # more, which decides.
    def ended(told)
      task = told.task
      @active << task unless @active.include?(task)
      (told.failed ? @on_error : @on_done)&.call(task, told.result)
      return if task.alive? || !task.result.equal?(told.result)
      return if @restarts.any? { |_, group| group.include?(task) }

      wanted?(told.failed) ? restart(task) : done(told)
    end

    def wanted?(failed) = @restart == :always || (@restart == :on_error && failed)

    # Whoever restarts a child gives it back to us; other tasks are ours as long as we are here.
    def done(told)
      @active.delete(told.task)
      told.task.__release(@ends) if @whole_brood
      @failures << told if told.failed && !@on_error
    end

    def restart(task)
      give_up(task) unless @limit.allow?
      group = together_with(task)
      end_all(group - [task])
      @backoff ? restart_later(group) : revive(group)
    end

    # Whom the strategy restarts with this task, in their order.
    def together_with(task)
      case @strategy
      when :one_for_one then [task]
      when :one_for_all then @active.dup
      else @active.drop_while { |other| !other.equal?(task) }
      end
    end

    # Each is in one group at most.
    def restart_later(group)
      @restarts = @restarts.map { |due, others| [due, others - group] }
      @restarts << [now + @backoff.next, group]
    end

    def restart_who_is_due
      return if @restarts.empty?

      due, @restarts = @restarts.partition { |time, _| time <= now }
      due.map(&:last).each { |group| revive(group) }
    end

    # => seconds until the first restart to come, or nil
    def time_to_restart
      first = @restarts.map(&:first).min
      first && [first - now, 0].max
    end

    def revive(group)
      group.each { |task| task.restart if task.dead? }
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    # Their ends are this supervisor's doing: nobody is told of them but of what fails meanwhile. Those of
    # other threads may end at any time, and are told of here or there, not twice.
    def end_all(tasks)
      ends = Ends.new
      living = tasks.select { |task| task.__hand_over(@ends, ends) }
      living.each(&:terminate)
      living.size.times do
        told = ends.pop
        @failures << told if told.failed
      end
    ensure
      tasks.each { |task| task.__hand_over(ends, @ends) }
      ends.close
      ends.shift_all.each { |told| @ends.add(told) }
    end

    def give_up(task)
      cause = task.result
      end_all(@active.dup)
      error = SupervisionError.new("more than #{@limit}: #{task.inspect} ended again (#{cause.inspect})")
      raise error, cause: cause.is_a?(::Exception) ? cause : nil
    end

    # One end of a task, and who else was told. It may run again when that is read.
    End = Struct.new(:task, :result, :failed, :supervisors)

    # What the tasks tell.
    class Ends < Queue
      # Tasks that have another parent now, and may end when nobody listens here any more.
      def moved = @moved ||= {}.compare_by_identity
      def note_moved(task) = moved[task] = true

      # Tasks of other threads may move meanwhile.
      def forget_dead = moved.keys.select(&:dead?).each { |task| moved.delete(task) }

      # One that was told already, as it was then.
      alias add push

      def push((task, result)) = super(End.new(task, result, task.__failed?, task.__supervisors || []))
    end

    # At most so many restarts within so many seconds.
    class RestartLimit
      def initialize(count, seconds)
        Numbers.require("max_restarts:", count)
        Numbers.require_positive("within:", seconds)
        raise ArgumentError, "max_restarts: must not be negative" if count.negative?

        @count = count
        @seconds = seconds
        @times = []
      end

      def allow?
        now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        @times.reject! { |time| time < now - @seconds }
        @times << now
        @times.size <= @count
      end

      def to_s = "#{@count} restarts within #{@seconds} s"
    end

    # Doubles from restart to restart, and begins anew when what was restarted went well for long enough;
    # between half and all of it, so that many do not come at once.
    class Backoff
      def initialize(first, calm)
        Numbers.require_positive("backoff:", first)

        @first = @delay = first
        @calm = calm
        @restarted_at = Float::INFINITY
      end

      # @return [Float] seconds before the restart that is to be made now
      def next
        now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        @delay = @first if now - @restarted_at > @calm
        delay = @delay * (0.5 + (rand / 2))
        @delay = [@delay * 2, BACKOFF_MAX].min
        @restarted_at = now + delay
        delay
      end
    end
  end
end
