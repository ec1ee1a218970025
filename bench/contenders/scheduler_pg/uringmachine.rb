# frozen_string_literal: true

require_relative "_select"

class UringMachineSchedulerPG < Bench::UringMachineSchedulerContender
  include ScheduledClients
  include Selects

  about "UM::FiberScheduler, Fiber.schedule"
end
