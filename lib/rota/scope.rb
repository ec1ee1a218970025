# frozen_string_literal: true

module Rota
  class << self
    # Runs the block and waits for all tasks spun inside it; its first failure terminates the rest.
    #
    # When the scope is left early, by an exception, +break+ or +throw+, its tasks are terminated and
    # awaited first. What else the current task has spun, before or in an outer scope, goes on.
    #
    # @yieldparam task [Rota::Task] the current task, which runs the block
    # @return [Object] the block's value
    # @raise [Exception] the first failure of the block or of a task in it; further ones are in its
    #   +suppressed+
    def spin_scope(&block)
      raise ArgumentError, "no block given" unless block

      Task.__scope(block)
    end

    # @return [Rota::Task] the task that runs this code
    def current = Task.current
  end
end
