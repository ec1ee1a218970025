# frozen_string_literal: true

require_relative "_get"

class ThreadRedis < Bench::ThreadContender
  include ThreadedClients
  include Gets

  about "a thread per client"
end
