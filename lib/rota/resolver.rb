# frozen_string_literal: true

module Rota
  # Names to addresses without blocking the loop: getaddrinfo(3) has no other form, so a name is
  # looked up in a native thread, by all the rules of the system. Numeric addresses need no thread.
  #
  # @api private
  module Resolver
    # Only to spare a name the question whether it is one.
    LIKE_AN_ADDRESS = /:|\A[\d.]+\z/
    private_constant :LIKE_AN_ADDRESS

    module_function

    # @return [Array<Addrinfo>] TCP addresses, in the system's order (RFC 6724)
    # @raise [SocketError] unknown name
    def resolve(host, port)
      (host.match?(LIKE_AN_ADDRESS) && numeric(host, port)) || in_thread { look_up(host, port) }
    end

    def look_up(host, port)
      Addrinfo.getaddrinfo(host, port, nil, :STREAM)
    end

    # @return [Array<Addrinfo>, nil] nil for a name all the same, as "1.2.3.4.5" is one
    def numeric(host, port)
      Addrinfo.getaddrinfo(host, port, nil, :STREAM, nil, Socket::AI_NUMERICHOST)
    rescue SocketError
      nil
    end

    # Parks the current task until the thread has ended, however that ends; an interrupted task leaves it
    # to itself.
    def in_thread
      ended = Event.new
      thread = Thread.new do
        Thread.current.report_on_exception = false
        yield
      ensure
        ended.signal
      end
      ended.await
      thread.value
    end
  end
end
