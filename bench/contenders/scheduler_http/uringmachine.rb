# frozen_string_literal: true

require_relative "_fetch"

class UringMachineSchedulerHTTP < Bench::UringMachineSchedulerContender
  include ScheduledClients
  include Fetches

  about "UM::FiberScheduler, Fiber.schedule"
end
