# frozen_string_literal: true

module Rota
  # Threads, and those of Ractors, inherit the masks of whoever starts them. Under that of {Rota.run} nothing
  # that others raise in a thread (Timeout, for instance) would surface while it computes, so it is lifted for
  # those that are started under it, in a child that was forked there, too. Masks of the task's own are not
  # inherited either: there is no way to lift a single one.
  module ThreadStart
    # What Ractors have of it.
    module New
      # As Ruby's own.
      # @private
      def new(...) = ThreadStart.masked? ? ThreadStart.unmasked { super } : super
    end
    include New

    # As Ruby's own.
    # @private
    def start(...) = ThreadStart.masked? ? ThreadStart.unmasked { super } : super

    # As Ruby's own.
    # @private
    def fork(...) = ThreadStart.masked? ? ThreadStart.unmasked { super } : super

    class << self
      # Thread#raise goes to the root task. Where it is core that raises in this thread, it waits for a
      # blocking point, and the loop hands it to the root task if that point is its own.
      def masked(&block)
        thread = Thread.current
        outside = thread.thread_variable_get(:__rota_masked)
        # Not before: a signal may come as early as in the first line.
        begin
          thread.thread_variable_set(:__rota_masked, true)
          Thread.handle_interrupt(::Exception => :on_blocking, &block)
        ensure
          thread.thread_variable_set(:__rota_masked, outside)
        end
      end

      # By a run, or by the main fiber of a script, which masks while it waits and tasks run.
      def masked? = Thread.current.thread_variable_get(:__rota_masked) || Rota.loop?&.__script_waits?

      # => what the block answers, the thread. What was raised in this thread, and would surface here, is
      # no business of this task: it goes to the root task. By value: raised in the thread once more, it
      # would surface here once more. In a script it surfaces wherever it meets a call that may block, as
      # here: Timeout counts on it there that it does before its block has ended.
      def unmasked
        thread = nil
        begun = false
        without_mask do
          begun = true
          thread = yield
        end
      rescue ::Exception => e
        raise if begun && !thread # it could not be started

        loop = Rota.loop?
        raise if !loop || loop.__script? || !loop.__interrupt_root(e)

        thread || retry
      end

      # What waits to surface does so before the block, and not in the middle of it.
      def without_mask
        Thread.handle_interrupt(::Exception => :immediate) do
          Thread.pass if Thread.pending_interrupt?
          yield
        end
      end
    end
  end
  private_constant :ThreadStart

  Thread.singleton_class.prepend(ThreadStart)
  Ractor.singleton_class.prepend(ThreadStart::New)
end
