# frozen_string_literal: true

module Bench
  # Rota itself, on both engines where they matter, and on a newer Ruby where one is named.
  module OnRota
    def self.included(contender)
      contender.label "rota"
      contender.needs Need.rota
      contender.variant "newer", label: "rota", newer: true
      contender.extend(Engines)
    end

    module Engines
      # The question goes to the kernel, so the engines differ.
      def on_both_engines
        variant "epoll", label: "rota, epoll", environment: { "ROTA_ENGINE" => "epoll" }
      end
    end
  end

  # `start(stint)` spins the actors, which work until the stint is over.
  class RotaContender < RubyContender
    include OnRota

    def set_up = require "rota"

    def run(stint)
      Rota.run do
        io = Rota.loop
        stint.stats { io.stats }
        start(stint)
        stint.watch { |seconds| Rota.sleep(seconds) }
      end
    end
  end

  # `handle(stream)` serves one connection.
  class RotaServer < RubyServer
    include OnRota
    on_both_engines

    def serve(service)
      require "rota"
      Rota.run do
        io = Rota.loop
        service.stats { io.stats }
        listener = Rota.listen("127.0.0.1:0") { |stream| attend(stream) }
        service.ready(listener.address[/\d+\z/].to_i)
        Rota.sleep
      ensure
        service.finish # while the loop can still be asked
      end
    end

    private

    def attend(stream)
      handle(stream)
    rescue EOFError, SystemCallError
      nil # the client is gone
    end
  end

  # A server of ordinary sockets on Rota's scheduler: `handle(socket)` serves one connection.
  class RotaSchedulerServer < RubyServer
    include OnRota
    on_both_engines

    def serve(service)
      require "rota"
      server = listen
      Rota.run do
        io = Rota.loop
        service.stats { io.stats }
        service.ready(server.addr[1])
        loop { accept(server.accept) }
      ensure
        service.finish # while the loop can still be asked
      end
    end

    private

    def accept(socket)
      send_at_once(socket)
      Rota.spin { attend(socket) }
    end
  end
end
