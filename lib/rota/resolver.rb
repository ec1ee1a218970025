# frozen_string_literal: true

require "ipaddr"

module Rota
  # Names to addresses without blocking the loop: getaddrinfo(3) has no other form, so a name is
  # looked up in a native thread, by all the rules of the system. Numeric addresses need no thread.
  #
  # @api private
  module Resolver
    module_function

    # @return [Array<Addrinfo>] TCP addresses, in the system's order (RFC 6724)
    # @raise [SocketError] unknown name
    def resolve(host, port)
      return look_up(host, port) if numeric?(host)

      in_thread { look_up(host, port) }
    end

    def look_up(host, port)
      Addrinfo.getaddrinfo(host, port, nil, :STREAM)
    end

    def numeric?(host)
      IPAddr.new(host.sub(/%.*\z/, ""))
      true
    rescue IPAddr::Error
      false
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
