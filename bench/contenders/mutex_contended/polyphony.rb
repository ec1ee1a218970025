# frozen_string_literal: true

class PolyphonyMutex < Bench::PolyphonyContender
  about "a fiber per actor, Polyphony::Mutex, snooze inside"

  private

  def start(stint)
    mutex = Polyphony::Mutex.new
    stint[:actors].times { |index| spin { contend(stint, index, mutex) } }
  end

  def contend(stint, index, mutex)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { snooze }
      stint.counts[index] += 1
    end
  end
end
