# frozen_string_literal: true

# A loop in each thread. The replier's thread ends with the queue.
class RotaThreadHop < Bench::RotaContender
  about "a loop per thread, tasks on both, Rota::Queue"
  on_both_engines

  private

  def start(stint)
    pairs = Array.new(stint[:pairs]) { Array.new(2) { Rota::Queue.new } }
    @thread = Thread.new { Rota.run { pairs.each { |there, back| Rota.spin { reply(there, back) } } } }
    pairs.each_with_index { |(there, back), index| Rota.spin { serve(stint, index, back, there) } }
  end

  def serve(stint, index, from, to)
    stint.counts[index] = 0
    until stint.over?
      stint.timed(index, 2) do
        to.push(:item)
        from.pop
      end
    end
    to.close
  end

  def reply(from, to)
    while (item = from.pop)
      to.push(item)
    end
  end
end
