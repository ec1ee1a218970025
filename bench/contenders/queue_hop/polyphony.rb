# frozen_string_literal: true

class PolyphonyHop < Bench::PolyphonyContender
  about "two fibers per pair, Polyphony::Queue"

  private

  def start(stint)
    stint[:pairs].times { |index| start_pair(stint, index) }
  end

  def start_pair(stint, index)
    there, back = Array.new(2) { Polyphony::Queue.new }
    stint.counts[index] = 0
    spin { serve(stint, index, back, there) }
    spin { reply(there, back) }
  end

  def serve(stint, index, from, to)
    until stint.over?
      to.push(:item)
      from.shift
      stint.counts[index] += 2
    end
    to.push(nil)
  end

  def reply(from, to)
    while (item = from.shift)
      to.push(item)
    end
  end
end
