# frozen_string_literal: true

require_relative "_waits"

class UringMachineSchedulerWaits < Bench::UringMachineSchedulerContender
  include ScheduledWaits

  about "UM::FiberScheduler, Fiber.schedule"
end
