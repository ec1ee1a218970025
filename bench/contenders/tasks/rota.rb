# frozen_string_literal: true

class RotaTasks < Bench::RotaContender
  about "Rota.snooze, Rota.spin, Task#await, Rota.move_on_after"

  private

  def start(stint)
    stint.counts[0] = 0
    Rota.spin { send(stint[:work], stint) }
  end

  def switch(stint)
    other = Rota.spin { Rota.snooze until stint.over? }
    until stint.over?
      Rota.snooze
      stint.counts[0] += 2
    end
    other.await
  end

  def spin_end(stint)
    until stint.over?
      100.times { Rota.spin { nil } }
      Rota.snooze
      stint.counts[0] += 100
    end
  end

  def spin_await(stint)
    until stint.over?
      Rota.spin { nil }.await
      stint.counts[0] += 1
    end
  end

  # Gives way now and then, so that the end of the stint is noticed.
  def timeout(stint)
    until stint.over?
      100.times { Rota.move_on_after(10) { nil } }
      stint.counts[0] += 100
      Rota.snooze
    end
  end
end
