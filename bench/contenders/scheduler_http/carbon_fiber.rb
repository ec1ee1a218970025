# frozen_string_literal: true

require_relative "_fetch"

class CarbonFiberSchedulerHTTP < Bench::CarbonFiberContender
  include ScheduledClients
  include Fetches

  about "CarbonFiber::Scheduler, Fiber.schedule"
end
