# frozen_string_literal: true

class RotaSleepers < Bench::RubyContender
  label "rota"
  about "a task each, Rota.sleep"
  needs Bench::Need.rota

  def run(stint)
    require "rota"
    Rota.run do
      io = Rota.loop
      stint.stats { io.stats }
      stint.counts[0] = 0
      stint[:tasks].times { Rota.spin { doze(stint) } }
      stint.watch { |seconds| Rota.sleep(seconds) }
    end
  end

  private

  def doze(stint)
    until stint.over?
      Rota.sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
