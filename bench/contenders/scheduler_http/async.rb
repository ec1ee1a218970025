# frozen_string_literal: true

require_relative "_fetch"

class AsyncSchedulerHTTP < Bench::AsyncContender
  include ScheduledFetches

  about "Async { }, Fiber.schedule"
  on_both_selectors
end
