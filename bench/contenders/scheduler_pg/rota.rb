# frozen_string_literal: true

require_relative "_select"

class RotaSchedulerPG < Bench::RotaContender
  include ScheduledClients
  include Selects

  about "Rota.run, Fiber.schedule"
  on_both_engines
end
