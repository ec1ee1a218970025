# frozen_string_literal: true

require_relative "_waits"

class ThreadSchedulerWaits < Bench::ThreadContender
  include ScheduledWaits

  about "no scheduler, two threads per pair"

  private

  # The actors that the others schedule.
  def start(stint)
    @threads = []
    super
    @threads
  end

  def act(&block) = @threads << Thread.new(&block)
end
