# frozen_string_literal: true

require_relative "_select"

class CarbonFiberSchedulerPG < Bench::CarbonFiberContender
  include ScheduledClients
  include Selects

  about "CarbonFiber::Scheduler, Fiber.schedule"
end
