# frozen_string_literal: true

module Rota
  # A group of tasks that are waited for together.
  #
  #   barrier = Rota::Barrier.new
  #   urls.each { |url| barrier.spin { fetch(url) } }
  #   barrier.wait
  class Barrier
    # Hears of each end: that of the block is not that of the task, which waits for its children.
    Ends = Struct.new(:tasks) do
      def push((task, _)) = task.__failed? || tasks.delete(task)
    end
    private_constant :Ends

    def initialize
      @tasks = {}.compare_by_identity # => may still be told to end
      @ends = Ends.new(@tasks)
    end

    # @return [Array<Rota::Task>] those that have not ended well yet
    def tasks = @tasks.keys

    # @return [Integer]
    def size = @tasks.size

    # @return [Boolean]
    def empty? = @tasks.empty?

    # A child of the current task that the barrier waits for.
    #
    # @param tag [Object] tells the task from others in reports
    # @return [Rota::Task]
    def spin(tag = nil, &block)
      raise ArgumentError, "no block given" unless block

      task = Rota.spin(tag, &block)
      task.__add_monitor(@ends)
      @tasks[task] = true
      task
    end

    # Waits for all tasks, those spun meanwhile included.
    #
    # @return [self]
    # @raise [Exception] what a task failed with; the others go on, and can be waited for again
    def wait
      until @tasks.empty?
        task = @tasks.first.first
        task.await
        @tasks.delete(task)
      end
      self
    rescue Exception => e
      @tasks.delete_if { |known, _| known.dead? && known.result.equal?(e) }
      raise
    end

    # Terminates all tasks and waits for their ends. A task of the barrier that calls it ends itself.
    #
    # @return [self]
    # @raise [Exception] the first failure of a task on its way out
    def stop
      ending = @tasks.select { |_, untold| untold }.keys
      ending.each { |task| @tasks[task] = false } # until its end, for those who wait
      Task.__terminate(ending)
      failure = ending.filter_map { |task| failure_of(task) }.first
      raise failure if failure

      self
    end

    private

    # An exception that is ours (we are interrupted) goes on.
    def failure_of(task)
      task.await
      nil
    rescue Exception => e
      raise unless task.dead? && task.result.equal?(e)

      e
    ensure
      @tasks.delete(task) if task.dead?
    end
  end
end
