# frozen_string_literal: true

require_relative "_on_io"

class CarbonFiberSyncs < Bench::CarbonFiberContender
  include SyncsOnIO

  about "a fiber per actor, IO#pwrite and #fsync, which block the thread unless Ruby asks the scheduler"

  private

  def start(stint)
    stint[:tasks].times { |index| Fiber.schedule { write_and_sync(stint, index) { sleep(0) } } }
  end
end
