# frozen_string_literal: true

require_relative "_get"

class AsyncSchedulerRedis < Bench::AsyncContender
  include ScheduledClients
  include Gets

  about "Async { }, Fiber.schedule"
  on_both_selectors
end
