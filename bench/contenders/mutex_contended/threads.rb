# frozen_string_literal: true

class ThreadMutex < Bench::RubyContender
  label "native threads"
  about "a thread per actor, Thread::Mutex, Thread.pass inside"

  def run(stint)
    mutex = Mutex.new
    threads = Array.new(stint[:actors]) { |index| Thread.new { contend(stint, index, mutex) } }
    stint.watch { |seconds| sleep(seconds) }
    threads.each(&:join)
  end

  private

  def contend(stint, index, mutex)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { Thread.pass }
      stint.counts[index] += 1
    end
  end
end
