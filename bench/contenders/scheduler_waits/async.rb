# frozen_string_literal: true

require_relative "_waits"

class AsyncSchedulerWaits < Bench::AsyncContender
  include ScheduledWaits

  about "Async { }, Fiber.schedule"
  on_both_selectors
end
