# frozen_string_literal: true

require_relative "_fetch"

class UringMachineSchedulerHTTP < Bench::UringMachineSchedulerContender
  include ScheduledFetches

  about "UM::FiberScheduler, Fiber.schedule"
end
