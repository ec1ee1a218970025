# frozen_string_literal: true

require_relative "_files"

class CarbonFiberCopy < Bench::CarbonFiberContender
  include CopiesStream

  about "a fiber, IO.copy_stream"

  private

  def start(stint)
    Fiber.schedule { keep_copying(stint) { sleep(0) } }
  end
end
