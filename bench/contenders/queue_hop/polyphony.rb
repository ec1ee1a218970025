# frozen_string_literal: true

# Its own queue, on its backend.
class PolyphonyHop < Bench::RubyContender
  label "polyphony"
  about "two fibers per pair, Polyphony::Queue"
  needs Bench::Need.gem("polyphony")

  def run(stint)
    require "polyphony"
    fibers = Array.new(stint[:pairs]) { |index| start_pair(stint, index) }.flatten
    stint.watch { |seconds| sleep(seconds) }
    fibers.each(&:await)
  end

  private

  def start_pair(stint, index)
    there, back = Array.new(2) { Polyphony::Queue.new }
    stint.counts[index] = 0
    [spin { serve(stint, index, back, there) }, spin { reply(there, back) }]
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
