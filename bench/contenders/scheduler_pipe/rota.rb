# frozen_string_literal: true

require_relative "_pairs"

class RotaSchedulerPipe < Bench::RotaContender
  include ScheduledPairs

  about "Rota.run, Fiber.schedule"
  on_both_engines
end
