# frozen_string_literal: true

class CarbonFiberSleepers < Bench::CarbonFiberContender
  about "a fiber each, sleep through its scheduler"

  private

  def start(stint)
    stint.counts[0] = 0
    stint[:tasks].times { Fiber.schedule { doze(stint) } }
  end

  def doze(stint)
    until stint.over?
      sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
