# frozen_string_literal: true

class AsyncMutex < Bench::AsyncContender
  about "a task per actor, Thread::Mutex (which asks its scheduler), Async::Task#yield inside"

  private

  def start(stint, parent)
    mutex = Mutex.new
    stint[:actors].times { |index| parent.async { |task| contend(stint, index, mutex, task) } }
  end

  def contend(stint, index, mutex, task)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { task.yield }
      stint.counts[index] += 1
    end
  end
end
