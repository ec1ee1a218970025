# frozen_string_literal: true

class PolyphonyTaskCosts < Bench::RubyContender
  label "polyphony"
  about "snooze, spin, Fiber#await, move_on_after"
  needs Bench::Need.gem("polyphony")

  def run(stint)
    require "polyphony"
    stint.counts[0] = 0
    fiber = spin { send(:"run_#{stint[:work]}", stint) }
    stint.watch { |seconds| sleep(seconds) }
    fiber.await
  end

  private

  def run_snooze(stint)
    other = spin { snooze until stint.over? }
    until stint.over?
      snooze
      stint.counts[0] += 2
    end
    other.await
  end

  def run_spin_end(stint)
    until stint.over?
      100.times { spin { nil } }
      snooze
      stint.counts[0] += 100
    end
  end

  def run_spin_await(stint)
    until stint.over?
      spin { nil }.await
      stint.counts[0] += 1
    end
  end

  def run_timeout(stint)
    until stint.over?
      100.times { move_on_after(10) { nil } }
      stint.counts[0] += 100
      snooze
    end
  end
end
