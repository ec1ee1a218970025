# frozen_string_literal: true

require_relative "_waits"

class CarbonFiberSchedulerWaits < Bench::CarbonFiberContender
  include ScheduledWaits

  about "CarbonFiber::Scheduler, Fiber.schedule"
end
