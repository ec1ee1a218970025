# frozen_string_literal: true

require_relative "_waits"

class RotaSchedulerWaits < Bench::RotaContender
  include ScheduledWaits

  about "Rota.run, Fiber.schedule"
  on_both_engines
end
