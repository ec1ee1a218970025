# frozen_string_literal: true

class RotaHop < Bench::RotaContender
  about "two tasks per pair, Rota::Queue"

  private

  def start(stint)
    stint[:pairs].times { |index| spin_pair(stint, index) }
  end

  def spin_pair(stint, index)
    there, back = Array.new(2) { Rota::Queue.new }
    stint.counts[index] = 0
    Rota.spin { serve(stint, index, back, there) }
    Rota.spin { reply(there, back) }
  end

  def serve(stint, index, from, to)
    until stint.over?
      to.push(:item)
      from.pop
      stint.counts[index] += 2
    end
    to.close
  end

  def reply(from, to)
    while (item = from.pop)
      to.push(item)
    end
  end
end
