# frozen_string_literal: true

module Rota
  # Where INT and TERM go while {Rota.run} is on the main thread: to the root task, as the exceptions
  # that Ruby itself would raise. Ruby's default handlers would raise them in whatever task happens to
  # run, and no mask holds them back.
  #
  # @api private
  module Signals
    EXCEPTIONS = { "INT" => -> { Interrupt.new("") }, "TERM" => -> { SignalException.new("SIGTERM") } }.freeze
    # What a shell reports for a process that INT ended.
    SECOND_INTERRUPT_STATUS = 130
    # Those that programs have handlers for.
    TRAPPABLE = %w[HUP INT QUIT ALRM TERM USR1 USR2 CHLD WINCH].freeze
    private_constant :EXCEPTIONS, :SECOND_INTERRUPT_STATUS, :TRAPPABLE

    # signal => our handler, of the main thread's run; of that of the parent, too, in a forked child
    @routes = {}

    module_function

    # Only dispositions that are the default are replaced, and they are restored: after the traps of the
    # run are gone, which put back what they found, and that may be a route.
    #
    # @param root [Rota::Task]
    def route_to(root, &block)
      return Trap.until_end_of(root, &block) unless Thread.current.equal?(Thread.main) && main_ractor?

      Signals.route(root, EXCEPTIONS.keys) { Trap.until_end_of(root, &block) }
    end

    # The main thread of another Ractor cannot trap.
    def main_ractor? = Ractor.current.equal?(Ractor.main)

    class << self
      # One signal in another: a handler may raise while one is put back, and the others are still.
      def route(root, signals, &block)
        signal, *others = signals
        return yield unless signal

        replaced = replace(signal, root)
        route(root, others, &block)
      ensure
        put_back(signal) if replaced
      end

      # Has the program handlers of its own?
      def trapped? = Signals.main_ractor? && TRAPPABLE.any? { |signal| program_traps?(signal) }

      # Is the handler one of {Rota.run}'s?
      def route?(signal, handler) = !handler.nil? && @routes[signal].equal?(handler)

      private

      # Asking for a disposition is replacing it; what was not the default is put back at once.
      def replace(signal, root)
        route = handler(signal, root)
        previous = trap(signal, route)
        if previous == "DEFAULT" || route?(signal, previous)
          @routes[signal] = route
        else
          trap(signal, previous || "SYSTEM_DEFAULT")
          false
        end
      end

      def put_back(signal)
        previous = trap(signal, "DEFAULT")
        trap(signal, previous) unless previous.equal?(@routes.delete(signal))
      end

      # Nothing is lost meanwhile: a signal runs the handler that is there when Ruby comes to it.
      def program_traps?(signal)
        previous = trap(signal, proc {})
        trap(signal, previous || "SYSTEM_DEFAULT")
        previous.is_a?(Proc) && !route?(signal, previous)
      end

      # A second INT ends the process on the spot: whoever asks twice will not wait for clean-up. In a
      # forked child that has no run yet, and after the run (somebody may keep the handler, and put it
      # back), it does what Ruby's would.
      def handler(signal, root)
        asked = false
        pid = Process.pid
        proc do
          raise EXCEPTIONS.fetch(signal).call if Process.pid != pid || root.dead?

          exit!(SECOND_INTERRUPT_STATUS) if asked && signal == "INT"
          asked = true
          root.raise(EXCEPTIONS.fetch(signal).call)
        end
      end
    end
  end
end
