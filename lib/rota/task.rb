# frozen_string_literal: true

module Rota
  # A unit of concurrent work, run on a fiber that later tasks may reuse. Made by {Rota.spin}.
  class Task
    # Waits for the first of several tasks to end; the others go on.
    #
    # @param tasks [Array<Rota::Task>]
    # @return [Array(Rota::Task, Object)] the task and its result
    # @raise [Exception] what that task failed with
    def self.select(*tasks) = Rota.select(*tasks)

    # Tells tasks to end. The current one comes last, because that raises here.
    #
    # @private
    def self.__terminate(tasks, **options)
      own, others = tasks.partition(&:__current?)
      (others + own).each { |task| task.terminate(**options) }
    end

    # A thread without a loop has none, and may ask all the same.
    #
    # @private
    def __current? = !Rota.loop?.nil? && equal?(Task.current)

    # Waits for the children that this task has now.
    #
    # @return [Array] their values
    # @raise [Exception] the first failure
    def await_all_children = Task.await(*children)

    # Tells all children to end, and waits for nobody.
    #
    # @param graceful [Boolean] as for +terminate+
    # @return [self]
    def terminate_all_children(graceful: false)
      Task.__terminate(children, graceful: graceful)
      self
    end

    # Tells all children to end and waits for them.
    #
    # @param graceful [Boolean] they may finish what they have begun
    # @param deadline [Numeric, nil] seconds after which graceful children are terminated plainly, and
    #   others no longer waited for
    # @return [self]
    def shutdown_all_children(graceful: false, deadline: nil)
      pending = children
      terminate_all_children(graceful: graceful)
      finished = wait_for(pending, deadline)
      shutdown_all_children(deadline: deadline) if graceful && !finished
      self
    end

    # Where the task is now: of a task that waits, where it waits.
    #
    # @return [Array<String>, nil] nil before the first run and after the end
    def backtrace
      return caller(1) if __current?

      fiber&.backtrace
    end

    # @return [String]
    def inspect
      name = tag.nil? ? "" : " #{tag.inspect}"
      "#<Rota::Task#{name} #{location} (#{state})>"
    end
    alias to_s inspect

    private

    # Did all of them end in time? How they ended is not asked.
    def wait_for(tasks, seconds)
      ends = Queue.new
      until_then = seconds && (Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds)
      tasks.each { |task| task.__add_monitor(ends) or ends << task }
      tasks.all? { ends.pop(timeout: until_then && time_left(until_then)) }
    ensure
      tasks.each { |task| task.__remove_monitor(ends) }
    end

    def time_left(until_then) = [until_then - Process.clock_gettime(Process::CLOCK_MONOTONIC), 0].max
  end
end
