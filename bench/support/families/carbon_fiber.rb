# frozen_string_literal: true

module Bench
  # A Fiber::Scheduler in Zig: ordinary Ruby code in Fiber.schedule.
  module OnCarbonFiber
    def self.included(contender)
      contender.label "carbon_fiber"
      contender.needs Need.gem("carbon_fiber")
      contender.ruby ">= 3.4"
    end

    private

    def set_up = require "carbon_fiber"

    def scheduled
      scheduler = CarbonFiber::Scheduler.new
      Fiber.set_scheduler(scheduler)
      yield
      scheduler.run
      Fiber.set_scheduler(nil)
    end
  end

  # `start(stint)` schedules the actors, which work until the stint is over.
  class CarbonFiberContender < RubyContender
    include OnCarbonFiber

    def run(stint)
      scheduled do
        start(stint)
        Fiber.schedule { stint.watch { |seconds| sleep(seconds) } }
      end
    end
  end

  # `handle(socket)` serves one connection.
  class CarbonFiberServer < RubyServer
    include OnCarbonFiber

    def serve(service)
      set_up
      server = listen
      scheduled do
        Fiber.schedule do
          service.ready(server.addr[1])
          loop { accept(server.accept) }
        end
      end
    end

    private

    def accept(socket)
      send_at_once(socket)
      Fiber.schedule { attend(socket) }
    end
  end
end
