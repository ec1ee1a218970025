# frozen_string_literal: true

class PolyphonyTasks < Bench::PolyphonyContender
  about "snooze, spin, Fiber#await, move_on_after"

  private

  def start(stint)
    stint.counts[0] = 0
    spin { send(:"run_#{stint[:work]}", stint) }
  end

  def run_switch(stint)
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
