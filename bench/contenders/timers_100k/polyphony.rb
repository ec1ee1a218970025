# frozen_string_literal: true

class PolyphonySleepers < Bench::PolyphonyContender
  about "a fiber each, sleep"

  private

  def start(stint)
    stint.counts[0] = 0
    stint[:tasks].times { spin { doze(stint) } }
  end

  def doze(stint)
    until stint.over?
      sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
