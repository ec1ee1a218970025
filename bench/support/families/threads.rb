# frozen_string_literal: true

module Bench
  # What a user has without any library. `start(stint)` answers the threads, which work until the
  # stint is over.
  class ThreadContender < RubyContender
    label "native threads"

    def run(stint)
      threads = start(stint)
      stint.watch { |seconds| sleep(seconds) }
      threads.flatten.each(&:join)
    end
  end

  # The server that everyone writes first. `handle(socket)` serves one connection.
  class ThreadServer < RubyServer
    label "native threads"

    def serve(service)
      server = listen
      server.setsockopt(:TCP, :NODELAY, true)
      service.ready(server.local_address.ip_port)
      loop do
        Thread.new(server.accept) { |socket| attend(socket) }
      end
    end

    private

    def attend(socket)
      socket.sync = true
      super
    end
  end
end
