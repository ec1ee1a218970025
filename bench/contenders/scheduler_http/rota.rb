# frozen_string_literal: true

require_relative "_fetch"

class RotaSchedulerHTTP < Bench::RotaContender
  include ScheduledClients
  include Fetches

  about "Rota.run, Fiber.schedule"
  on_both_engines
end
