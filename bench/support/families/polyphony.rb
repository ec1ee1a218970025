# frozen_string_literal: true

module Bench
  module OnPolyphony
    def self.included(contender)
      contender.label "polyphony"
      contender.needs Need.gem("polyphony")
      contender.variant "newer", label: "polyphony", newer: true
    end

    private

    def set_up = require "polyphony"
  end

  # `start(stint)` spins the actors, which work until the stint is over.
  class PolyphonyContender < RubyContender
    include OnPolyphony

    def run(stint)
      start(stint)
      stint.watch { |seconds| sleep(seconds) }
      Fiber.current.await_all_children
    end
  end

  # `handle(socket)` serves one connection.
  class PolyphonyServer < RubyServer
    include OnPolyphony

    def serve(service)
      set_up
      require "socket"
      server = Socket.new(:INET, :STREAM)
      server.bind(Addrinfo.tcp("127.0.0.1", 0))
      server.listen(4096)
      service.ready(server.local_address.ip_port)
      Polyphony.backend_accept_loop(server, Socket) { |socket| accept(socket) }
    rescue SystemExit
      nil # what it makes of TERM
    end

    private

    def accept(socket)
      socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      spin { attend(socket) }
    end
  end
end
