# frozen_string_literal: true

class RotaMutex < Bench::RotaContender
  about "a task per actor, Rota::Mutex, Rota.snooze inside"

  private

  def start(stint)
    mutex = Rota::Mutex.new
    stint[:actors].times { |index| Rota.spin { contend(stint, index, mutex) } }
  end

  def contend(stint, index, mutex)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { Rota.snooze }
      stint.counts[index] += 1
    end
  end
end
