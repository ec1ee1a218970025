# frozen_string_literal: true

require_relative "_get"

class SequentialRedis < Bench::SequentialContender
  include SequentialClients
  include Gets

  about "one thread that asks on each connection in turn"
end
