# frozen_string_literal: true

class PolyphonySleepers < Bench::RubyContender
  label "polyphony"
  about "a fiber each, sleep"
  needs Bench::Need.gem("polyphony")

  def run(stint)
    require "polyphony"
    stint.counts[0] = 0
    fibers = Array.new(stint[:tasks]) { spin { doze(stint) } }
    stint.watch { |seconds| sleep(seconds) }
    fibers.each(&:await)
  end

  private

  def doze(stint)
    until stint.over?
      sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
