# frozen_string_literal: true

require "json"
require_relative "counters"

module Bench
  # A server seen from inside its own process. Its processor time and its answers are measured from
  # outside; what only it can know (allocations, ring) is counted from `ready` to the end and divided
  # by all requests that were answered meanwhile.
  class Service
    def initialize(params)
      @params = params
      @stats = -> { {} }
    end

    def [](name) = @params.fetch(name)

    # The block answers the runtime's own counters (loop.stats).
    def stats(&block)
      @stats = block
    end

    def ready(port)
      @from = Counters.take(@stats.call)
      $stdout.syswrite("ready #{JSON.generate(port: port)}\n")
    end

    # To be called while the runtime can still be asked; otherwise `report` does it.
    def finish
      @to = Counters.take(@stats.call)
    end

    def report
      return unless @from

      finish unless @to
      result = Counters.difference(@from, @to).slice(:allocations, *Counters::RING.keys)
      $stdout.syswrite("result #{JSON.generate(result)}\n")
    end
  end
end
