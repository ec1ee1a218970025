# frozen_string_literal: true

# Nobody else wants the lock: the floor of what Ruby's mutex costs.
class SequentialMutex < Bench::SequentialContender
  about "one thread, Thread::Mutex without contention, nothing inside"

  private

  def prepare(_stint)
    @mutex = Mutex.new
  end

  def bounce(stint)
    1000.times { @mutex.synchronize { nil } }
    stint.counts[0] += 1000
  end
end
