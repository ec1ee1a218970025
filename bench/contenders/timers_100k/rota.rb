# frozen_string_literal: true

class RotaSleepers < Bench::RotaContender
  about "a task each, Rota.sleep"

  private

  def start(stint)
    stint.counts[0] = 0
    stint[:tasks].times { Rota.spin { doze(stint) } }
  end

  def doze(stint)
    until stint.over?
      Rota.sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
