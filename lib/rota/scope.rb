# frozen_string_literal: true

module Rota
  class << self
    # Runs the block and waits for all tasks spun inside it; its first failure terminates the rest.
    #
    # The block runs in a task of its own, a child of the current one: {current} inside it is that
    # task. When the scope is left by an interrupt, its tasks are terminated and awaited first.
    #
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
