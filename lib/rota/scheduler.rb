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
      Resolver.in_thread { Addrinfo.getaddrinfo(hostname, nil, nil, :STREAM) }.map(&:ip_address).uniq
    end

    @socket_defaults = Thread::Mutex.new
    @holders = 0

    class << self
      # Sockets of Ruby 3.4 and later race addresses on threads of their own and block this one
      # meanwhile (Bug #21270); without that they ask {#address_resolve} and {#io_wait}. The setting is
      # the process', so it is put back when the last scheduler has gone.
      #
      # @private
      def __hold_socket_defaults
        return unless Socket.respond_to?(:tcp_fast_fallback=)

        ::Rota::Scheduler.change_holders(1)
      end

      # @private
      def __release_socket_defaults
        return unless Socket.respond_to?(:tcp_fast_fallback=)

        ::Rota::Scheduler.change_holders(-1)
      end

      # @private
      def change_holders(difference)
        @socket_defaults.synchronize do
          @former = Socket.tcp_fast_fallback if @holders.zero?
          @holders += difference
          Socket.tcp_fast_fallback = @holders.zero? ? @former : false
        end
      end

      # For a fiber that cannot wait in a loop.
      #
      # @private
      def __select(...) = Thread.new { IO.select(...) }.value
    end
  end
end
