# frozen_string_literal: true

require_relative "_fetch"

class CarbonFiberSchedulerHTTP < Bench::CarbonFiberContender
  include ScheduledFetches

  about "CarbonFiber::Scheduler, Fiber.schedule"
end
