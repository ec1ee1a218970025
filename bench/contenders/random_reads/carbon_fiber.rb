# frozen_string_literal: true

require_relative "_on_io"

class CarbonFiberReads < Bench::CarbonFiberContender
  include ReadsOnIO

  about "a fiber per actor, IO#pread with a buffer"

  private

  def start(stint)
    stint[:tasks].times { |index| Fiber.schedule { read(stint, index) { sleep(0) } } }
  end
end
