# frozen_string_literal: true

# ROTA_STRESS=1: a thread turns GC.stress on and off again all the time. A test as a whole under
# GC.stress would take hours; in slices, each of a collection or a few at every allocation, all of the
# suite passes under it sooner or later.
module Stress
  OFF_SECONDS = 0.15
  ON_SECONDS = 0.002 # in truth until this thread has its turn again

  module_function

  def start
    @thread ||= Thread.new do
      loop do
        sleep OFF_SECONDS
        GC.stress = true
        sleep ON_SECONDS
        GC.stress = false
      end
    end
  end
end

Stress.start if ENV["ROTA_STRESS"] == "1"
