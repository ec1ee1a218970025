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
    #
    # @param tasks [Array<Rota::Task>] none: all current and future children of the current task
    # @param restart [Symbol, nil] +:always+, +:on_error+, or nil
    # @param on_done [#call, nil] given (task, result) of a task that ended with a value
    # @param on_error [#call, nil] given (task, exception) of one that failed
    # @param strategy [Symbol] +:one_for_one+; +:one_for_all+ restarts all when one ends;
    #   +:rest_for_one+ those named behind it, too
    # @param max_restarts [Integer] how many restarts are allowed ...
    # @param within [Numeric] ... within so many seconds
    # @param backoff [Numeric, nil] seconds before a restart, doubled each time in a row, with jitter,
    #   up to a minute
    # @yieldparam task [Rota::Task] one that has ended
    # @yieldparam result [Object] its value, or exception
    # @return [nil]
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
      @restart = restart
      @on_done = on_done || block
      @on_error = on_error || block
      @strategy = strategy
      @limit = RestartLimit.new(max_restarts, within)
      @backoff = backoff && Backoff.new(backoff, BACKOFF_MAX)
      @owner = Rota.current
      @whole_brood = tasks.empty?
      @tasks = @whole_brood ? @owner.children : tasks
      @ends = Queue.new
      @failures = []
    end

    def run
      take_over
      while (task, result = next_end)
        ended(task, result)
      end
      raise_failures
    ensure
      let_go
    end

    private

    def take_over
      @owner.__brood = @ends if @whole_brood
      @delayed = []
      @active = []
      @tasks.each { |task| adopt(task) }
    end

    def adopt(task)
      @active << task
      task.dead? ? @ends << [task, task.result] : task.__supervisor = @ends
    end

    def let_go
      @owner.__brood = nil if @whole_brood
      @delayed&.each(&:stop)
      @active&.each { |task| task.__supervisor = nil }
    end

    # The next task that ended, or nil when none is left that could.
    def next_end
      @active |= @owner.children.reject { |child| @delayed.include?(child) } if @whole_brood
      return if @active.empty? && @ends.empty?

      @ends.pop
    end

    def ended(task, result)
      return if task.alive? # restarted by somebody else meanwhile: its end will be told

      failed = task.__failed?
      @active << task unless @active.include?(task)
      tell(task, result, failed)
      wanted?(failed) ? restart(task) : done(task, result, failed)
    end

    def tell(task, result, failed)
      (failed ? @on_error : @on_done)&.call(task, result)
    end

    def wanted?(failed) = @restart == :always || (@restart == :on_error && failed)

    def done(task, result, failed)
      @active.delete(task)
      @backoff&.reset
      @failures << result if failed && !@on_error
    end

    def restart(task)
      give_up(task) unless @limit.allow?
      group = together_with(task)
      end_all(group - [task])
      return group.each(&:restart) unless @backoff

      delay = @backoff.next
      @delayed << Rota.after(delay) { group.each(&:restart) }.tap { |waiting| waiting.__supervisor = nil }
    end

    # Whom the strategy restarts with this task, in their order.
    def together_with(task)
      case @strategy
      when :one_for_one then [task]
      when :one_for_all then @active.dup
      else @active.drop_while { |other| !other.equal?(task) }
      end
    end

    # Their ends are this supervisor's doing: nobody is told of them but of what fails meanwhile.
    def end_all(tasks)
      ends = Queue.new
      living = tasks.select(&:alive?)
      living.each { |task| task.__supervisor = ends }
      living.each(&:terminate)
      living.size.times do
        task, result = ends.pop
        @failures << result if task.__failed?
      end
      living.each { |task| task.__supervisor = @ends }
    end

    def give_up(task)
      cause = task.result
      end_all(@active.dup)
      error = SupervisionError.new("more than #{@limit}: #{task.inspect} ended again (#{cause.inspect})")
      raise error, cause: cause.is_a?(::Exception) ? cause : nil
    end

    def raise_failures
      return if @failures.empty?

      first, *others = @failures
      Rota.__suppress(first, others) unless others.empty?
      raise first
    end

    # At most so many restarts within so many seconds.
    class RestartLimit
      def initialize(count, seconds)
        raise ArgumentError, "max_restarts: must not be negative" if count.negative?
        raise ArgumentError, "within: must be positive" unless seconds.positive?

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

    # Doubles from restart to restart; between half and all of it, so that many do not come at once.
    class Backoff
      def initialize(first, most)
        raise ArgumentError, "backoff: must be positive" unless first.positive?

        @first = @delay = first
        @most = most
      end

      def next
        delay = @delay * (0.5 + (rand / 2))
        @delay = [@delay * 2, @most].min
        delay
      end

      def reset = @delay = @first
    end
  end
end
