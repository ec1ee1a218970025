# frozen_string_literal: true

require_relative "_select"

class ThreadPG < Bench::ThreadContender
  include ThreadedClients
  include Selects

  about "a thread per client"
end
