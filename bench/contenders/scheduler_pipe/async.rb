# frozen_string_literal: true

require_relative "_pairs"

class AsyncSchedulerPipe < Bench::AsyncContender
  include ScheduledPairs

  about "Async { }, Fiber.schedule"
  on_both_selectors
end
