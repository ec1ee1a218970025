# frozen_string_literal: true

require_relative "_on_io"

class CarbonFiberPairs < Bench::CarbonFiberContender
  include PairsOnIO

  about "two fibers per pair, IO#readpartial with a buffer and IO#write"

  private

  def start(stint)
    stint[:pairs].times do |index|
      near, far = Ends.open(stint[:transport])
      stint.counts[index] = 0
      Fiber.schedule { serve(stint, index, *near) }
      Fiber.schedule { reply(stint[:bytes], *far) }
    end
  end
end
