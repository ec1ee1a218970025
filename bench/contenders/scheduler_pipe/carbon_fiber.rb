# frozen_string_literal: true

require_relative "_pairs"

class CarbonFiberSchedulerPipe < Bench::CarbonFiberContender
  include ScheduledPairs

  about "CarbonFiber::Scheduler, Fiber.schedule"
end
