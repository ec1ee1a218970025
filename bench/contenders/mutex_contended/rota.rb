# frozen_string_literal: true

class RotaMutex < Bench::RubyContender
  label "rota"
  about "a task per actor, Rota::Mutex, Rota.snooze inside"
  needs Bench::Need.rota

  def run(stint)
    require "rota"
    Rota.run do
      io = Rota.loop
      stint.stats { io.stats }
      mutex = Rota::Mutex.new
      stint[:actors].times { |index| Rota.spin { contend(stint, index, mutex) } }
      stint.watch { |seconds| Rota.sleep(seconds) }
    end
  end

  private

  def contend(stint, index, mutex)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { Rota.snooze }
      stint.counts[index] += 1
    end
  end
end
