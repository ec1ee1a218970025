# frozen_string_literal: true

module Rota
  # A complete Fiber::Scheduler: core methods that would block in a non-blocking fiber let other tasks
  # run instead. {Rota.run} installs one. Alone it follows the standard contract:
  #
  #   Fiber.set_scheduler(Rota::Scheduler.new)
  #   Fiber.schedule { sleep 1 }
  #
  # Everything scheduled has run to its end when the thread ends. docs/scheduler.md says what
  # cooperates on which Ruby.
  class Scheduler
    # Called by the socket classes for names. In a native thread, by all the rules of the system.
    #
    # @param hostname [String]
    # @return [Array<String>] addresses
    # @raise [SocketError] unknown name
    def address_resolve(hostname)
      thread = Thread.new do
        Thread.current.report_on_exception = false
        Addrinfo.getaddrinfo(hostname, nil, nil, :STREAM)
      end
      thread.value.map(&:ip_address).uniq
    end

    # From Ruby 3.4 on core offers to do in another thread what it can do without Ruby's lock: open(2),
    # stat(2), compression. Most of it takes less time than the way to a thread and back, so it is an
    # offer that has to be asked for.
    #
    # @api private
    module Offload
      # What it works on lies on the stack of the fiber that waits, so the fiber stays until it is done.
      #
      # @param operation [#call]
      # @return [nil]
      def blocking_operation_wait(operation)
        thread = Thread.new { operation.call }
        thread.join
        nil
      ensure
        Rota.shield { thread.join } if thread&.alive?
      end
    end
    private_constant :Offload

    # @param offload [Boolean] let native threads do what core can do without Ruby's lock (Ruby 3.4)
    def initialize(offload: false)
      extend(Offload) if offload
    end

    # Sets a new one for this thread, bound to the loop that it has.
    #
    # @private
    def self.install(offload)
      scheduler = new(offload: offload)
      Fiber.set_scheduler(scheduler)
      scheduler.__bind
    end

    # Core makes an IO::Buffer for each transfer, and says at the first one that the class is
    # experimental: that is a scheduler's business, and no news to the program that reads a file.
    experimental = Warning[:experimental]
    begin
      Warning[:experimental] = false
      IO::Buffer.new(16).free
    ensure
      Warning[:experimental] = experimental
    end

    @holders = 0

    class << self
      # Sockets of Ruby 3.4 and later race addresses on threads of their own and block this one
      # meanwhile (Bug #21270); without that they ask {#address_resolve} and {#io_wait}. The setting is
      # the process', so it is put back when the last scheduler has gone. Only the main Ractor can
      # change it.
      #
      # @private
      def __hold_socket_defaults
        __change_holders(1) if socket_defaults?
      end

      # @private
      def __release_socket_defaults
        __change_holders(-1) if socket_defaults?
      end

      # For a fiber that cannot wait in a loop.
      #
      # @private
      def __select(...) = Thread.new { IO.select(...) }.value

      private

      def socket_defaults? = Socket.respond_to?(:tcp_fast_fallback=) && Signals.main_ractor?
    end
  end
end
