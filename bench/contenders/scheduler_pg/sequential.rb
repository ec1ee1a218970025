# frozen_string_literal: true

require_relative "_select"

class SequentialPG < Bench::SequentialContender
  include SequentialClients
  include Selects

  about "one thread that asks on each connection in turn"
end
