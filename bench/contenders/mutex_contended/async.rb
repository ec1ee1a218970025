# frozen_string_literal: true

class AsyncMutex < Bench::RubyContender
  label "async"
  about "a task per actor, Thread::Mutex (which asks its scheduler), Async::Task#yield inside"
  needs Bench::Need.gem("async")

  def run(stint)
    require "async"
    Async do |parent|
      mutex = Mutex.new
      stint[:actors].times { |index| parent.async { |task| contend(stint, index, mutex, task) } }
      stint.watch { |seconds| sleep(seconds) }
    end
  end

  private

  def contend(stint, index, mutex, task)
    stint.counts[index] = 0
    until stint.over?
      mutex.synchronize { task.yield }
      stint.counts[index] += 1
    end
  end
end
