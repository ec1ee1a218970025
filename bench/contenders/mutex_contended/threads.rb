# frozen_string_literal: true

class ThreadMutex < Bench::ThreadContender
  about "a thread per actor, Thread::Mutex, Thread.pass inside"

  private

  def start(stint)
    mutex = Mutex.new
    Array.new(stint[:actors]) { |index| Thread.new { contend(stint, index, mutex) } }
  end

  def contend(stint, index, mutex)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { Thread.pass }
      stint.counts[index] += 1
    end
  end
end
