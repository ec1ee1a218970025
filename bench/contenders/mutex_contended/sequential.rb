# frozen_string_literal: true

# Nobody else wants the lock: the floor of what Ruby's mutex costs.
class SequentialMutex < Bench::RubyContender
  label "sequential Ruby"
  about "one thread, Thread::Mutex without contention, nothing inside"

  def run(stint)
    mutex = Mutex.new
    stint.counts[0] = 0
    while stint.goes_on?
      1000.times { mutex.synchronize { nil } }
      stint.counts[0] += 1000
    end
  end
end
