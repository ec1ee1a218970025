# frozen_string_literal: true

module Bench
  # No concurrency at all: the floor of what Ruby's own methods cost. `bounce(stint)` does about a
  # hundred operations at a time and counts them.
  class SequentialContender < RubyContender
    label "sequential Ruby"
    variant "newer", newer: true

    def run(stint)
      prepare(stint)
      stint.counts[0] = 0
      bounce(stint) while stint.goes_on?
    end

    private

    def prepare(_stint) = nil
  end

  # One thread that asks IO.select which connections have something to read. `handle(socket)` reads
  # and answers once.
  class SequentialServer < RubyServer
    label "sequential Ruby"
    variant "newer", newer: true

    def serve(service)
      server = listen
      server.setsockopt(:TCP, :NODELAY, true)
      @sources = [server]
      service.ready(server.local_address.ip_port)
      loop do
        ready.each { |source| source == server ? accept(server) : attend(source) }
      end
    end

    private

    def ready = IO.select(@sources).first

    def accept(server)
      @sources << server.accept
    end

    def attend(socket)
      handle(socket)
    rescue EOFError, SystemCallError
      forget(socket)
    end

    def forget(socket)
      @sources.delete(socket)
      socket.close
    end
  end
end
