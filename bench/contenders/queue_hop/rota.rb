# frozen_string_literal: true

# Two tasks per pair.
class RotaHop < Bench::RubyContender
  label "rota"
  about "two tasks per pair, Rota::Queue"
  needs Bench::Need.rota

  def run(stint)
    require "rota"
    Rota.run do
      io = Rota.loop
      stint.stats { io.stats }
      stint[:pairs].times { |index| spin_pair(stint, index) }
      stint.watch { |seconds| Rota.sleep(seconds) }
    end
  end

  private

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
