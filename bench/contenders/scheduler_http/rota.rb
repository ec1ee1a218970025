# frozen_string_literal: true

require_relative "_fetch"

class RotaSchedulerHTTP < Bench::RotaContender
  include ScheduledFetches

  about "Rota.run, Fiber.schedule"
  on_both_engines
end
