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
    private_constant :EXCEPTIONS, :SECOND_INTERRUPT_STATUS

    module_function

    # Only dispositions that are the default are replaced, and they are restored.
    #
    # @param root [Rota::Task]
    def route_to(root)
      return yield unless Thread.current.equal?(Thread.main) && main_ractor?

      replaced = EXCEPTIONS.keys.select { |signal| replace(signal, root) }
      begin
        yield
      ensure
        replaced.each { |signal| trap(signal, "DEFAULT") }
      end
    end

    # The main thread of another Ractor cannot trap.
    def main_ractor? = Ractor.current.equal?(Ractor.main)

    # Asking for a disposition is replacing it; what was not the default is put back at once.
    def replace(signal, root)
      previous = trap(signal, handler(signal, root))
      return true if previous == "DEFAULT"

      trap(signal, previous || "SYSTEM_DEFAULT")
      false
    end

    # A second INT ends the process on the spot: whoever asks twice will not wait for clean-up.
    def handler(signal, root)
      asked = false
      proc do
        exit!(SECOND_INTERRUPT_STATUS) if asked && signal == "INT"
        asked = true
        root.raise(EXCEPTIONS.fetch(signal).call)
      end
    end
  end
end
