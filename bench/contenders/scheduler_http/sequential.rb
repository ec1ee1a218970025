# frozen_string_literal: true

require_relative "_fetch"

class SequentialHTTP < Bench::SequentialContender
  include SequentialClients
  include Fetches

  about "one thread that asks on each connection in turn"
end
