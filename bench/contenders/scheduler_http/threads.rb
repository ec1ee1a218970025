# frozen_string_literal: true

require_relative "_fetch"

class ThreadHTTP < Bench::ThreadContender
  include HTTPServer

  about "a thread per client"

  private

  def start(stint)
    Array.new(stint[:clients]) { |index| Thread.new { fetch(stint, index) } }
  end
end
