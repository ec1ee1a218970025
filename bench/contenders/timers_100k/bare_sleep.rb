# frozen_string_literal: true

# The floor of a sleep: what a library has to do for it beside all that it is there for.
class BareSleepers < Bench::RubyContender
  label "bare sleep"
  about "a fiber each, and one method in C: a heap of deadlines, Fiber#transfer to who is due first"
  variant "newer", newer: true
  needs Bench::Need.floor("bare_sleep")

  def set_up = require(Bench::Floor.extension("bare_sleep"))

  def run(stint)
    stint.counts[0] = 0
    fibers = Array.new(stint[:tasks]) { Fiber.new { doze(stint) } }
    fibers.each { |fiber| BareSleep.begin(fiber) }
    BareSleep.sleep(0.01) while stint.goes_on?
  end

  private

  def doze(stint)
    loop do
      BareSleep.sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
