# frozen_string_literal: true

require_relative "_pairs"

class UringMachineSchedulerPipe < Bench::UringMachineSchedulerContender
  include ScheduledPairs

  about "UM::FiberScheduler, Fiber.schedule"
end
