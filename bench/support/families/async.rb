# frozen_string_literal: true

module Bench
  # async on io-event: its epoll selector, its io_uring selector where they matter, and its own choice on a
  # newer Ruby.
  module OnAsync
    def self.included(contender)
      contender.label "async"
      contender.needs Need.gem("async")
      contender.variant "newer", label: "async", newer: true
      contender.extend(Selectors)
    end

    module Selectors
      # The question goes to the kernel, so the selectors differ.
      def on_both_selectors
        label "async, epoll"
        environment("IO_EVENT_SELECTOR" => "EPoll")
        variant "io_uring", label: "async, io_uring", environment: { "IO_EVENT_SELECTOR" => "URing" }
      end
    end

    private

    def set_up
      require "async"
      # async asks every IO for it, and Ruby has it since 3.2
      IO.define_method(:timeout) { nil } unless IO.method_defined?(:timeout)
    end
  end

  # `start(stint, task)` makes the actors, which work until the stint is over. A thread looks after that: a
  # task that sleeps comes seconds late when the others are many.
  class AsyncContender < RubyContender
    include OnAsync

    def run(stint)
      watcher = nil
      Async do |task|
        start(stint, task)
        watcher = stint.watch_from_thread
      end
      watcher.join
    end
  end

  # `handle(socket)` serves one connection.
  class AsyncServer < RubyServer
    include OnAsync
    on_both_selectors

    def serve(service)
      set_up
      server = listen
      Async do |task|
        service.ready(server.addr[1])
        loop { accept(task, server) }
      end
    end

    private

    def accept(task, server)
      socket = server.accept
      send_at_once(socket)
      task.async { attend(socket) }
    end
  end
end
