# frozen_string_literal: true

require_relative "_get"

class CarbonFiberSchedulerRedis < Bench::CarbonFiberContender
  include ScheduledClients
  include Gets

  about "CarbonFiber::Scheduler, Fiber.schedule"
end
