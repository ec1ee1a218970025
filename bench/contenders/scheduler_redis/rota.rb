# frozen_string_literal: true

require_relative "_get"

class RotaSchedulerRedis < Bench::RotaContender
  include ScheduledClients
  include Gets

  about "Rota.run, Fiber.schedule"
  on_both_engines
end
