# frozen_string_literal: true

require_relative "_get"

class UringMachineSchedulerRedis < Bench::UringMachineSchedulerContender
  include ScheduledClients
  include Gets

  about "UM::FiberScheduler, Fiber.schedule"
end
