# frozen_string_literal: true

require_relative "_fetch"

class ThreadHTTP < Bench::ThreadContender
  include ThreadedClients
  include Fetches

  about "a thread per client"
end
