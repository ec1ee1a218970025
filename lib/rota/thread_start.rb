# frozen_string_literal: true

module Rota
  # Threads inherit the masks of whoever starts them. Under that of {Rota.run} nothing that others raise in a
  # thread (Timeout, for instance) would surface while it computes, so it is lifted for those that a task starts.
  # Masks of the task's own are not inherited either: there is no way to lift a single one.
  module ThreadStart
    # As Ruby's own.
    # @private
    def new(...) = Rota.loop? ? ThreadStart.unmasked { super } : super

    # As Ruby's own.
    # @private
    def start(...) = Rota.loop? ? ThreadStart.unmasked { super } : super

    # As Ruby's own.
    # @private
    def fork(...) = Rota.loop? ? ThreadStart.unmasked { super } : super

    # => what the block answers, the thread. What was raised in this thread, and would surface here, is
    # no business of this task: it goes on to where it would have gone.
    def self.unmasked
      thread = nil
      begun = false
      Thread.handle_interrupt(::Exception => :immediate) do
        Thread.pass if Thread.pending_interrupt? # surfaces here, not in the middle of Thread#initialize
        begun = true
        thread = yield
      end
      thread
    rescue ::Exception => e
      raise if begun && !thread # it could not be started

      Thread.current.raise(e)
      thread || retry
    end
  end
  private_constant :ThreadStart

  Thread.singleton_class.prepend(ThreadStart)
end
