# frozen_string_literal: true

class PolyphonyMutex < Bench::RubyContender
  label "polyphony"
  about "a fiber per actor, Polyphony::Mutex, snooze inside"
  needs Bench::Need.gem("polyphony")

  def run(stint)
    require "polyphony"
    mutex = Polyphony::Mutex.new
    fibers = Array.new(stint[:actors]) { |index| spin { contend(stint, index, mutex) } }
    stint.watch { |seconds| sleep(seconds) }
    fibers.each(&:await)
  end

  private

  def contend(stint, index, mutex)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { snooze }
      stint.counts[index] += 1
    end
  end
end
