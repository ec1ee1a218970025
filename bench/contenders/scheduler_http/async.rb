# frozen_string_literal: true

require_relative "_fetch"

class AsyncSchedulerHTTP < Bench::AsyncContender
  include ScheduledClients
  include Fetches

  about "Async { }, Fiber.schedule"
  on_both_selectors
end
