# frozen_string_literal: true

module Rota
  # Added to TCPServer, UNIXServer and Socket.
  module ServerMethods
    # Accepts connections for ever, with one request for all of them. They are as +accept+ gives them,
    # and belong to the block. It ends by +break+, by an exception, or with the server.
    #
    #   server.accept_loop { |socket| Rota.spin { serve(socket) } }
    #
    # @yieldparam connection [TCPSocket, UNIXSocket, Socket]
    # @yieldparam address [Addrinfo] of the client; only for a Socket, and one that is reset already is passed over
    # @raise [SystemCallError] +Errno::EMFILE+ when the process has no descriptor left ...
    # @raise [IOError] the server is closed, or was closed meanwhile
    def accept_loop
      raise LocalJumpError, "no block given (yield)" unless block_given?

      kind = ServerMethods.connection_class(self)
      Rota.loop.__accept_numbers(self) do |number|
        socket = kind.for_fd(number)
        next yield(socket) unless kind == Socket

        address = ServerMethods.client_of(socket)
        yield(socket, address) if address
      end
    end

    # A client that reset its connection before it was accepted has no address any more, and is passed over.
    #
    # @api private
    def self.client_of(socket)
      socket.remote_address
    rescue Errno::ENOTCONN
      socket.close
      nil
    end

    # @api private
    def self.connection_class(server)
      case server
      when TCPServer then TCPSocket
      when UNIXServer then UNIXSocket
      else Socket
      end
    end
  end
end
