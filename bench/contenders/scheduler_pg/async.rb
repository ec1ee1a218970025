# frozen_string_literal: true

require_relative "_select"

class AsyncSchedulerPG < Bench::AsyncContender
  include ScheduledClients
  include Selects

  about "Async { }, Fiber.schedule"
  on_both_selectors
end
