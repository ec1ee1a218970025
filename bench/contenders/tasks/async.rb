# frozen_string_literal: true

class AsyncTasks < Bench::AsyncContender
  about "Async::Task#yield, #async, #wait, #with_timeout"

  private

  def start(stint, task)
    stint.counts[0] = 0
    task.async { |worker| send(stint[:work], stint, worker) }
  end

  def switch(stint, task)
    other = task.async { |peer| peer.yield until stint.over? }
    until stint.over?
      task.yield
      stint.counts[0] += 2
    end
    other.wait
  end

  def spin_end(stint, task)
    until stint.over?
      100.times { task.async { nil } }
      task.yield
      stint.counts[0] += 100
    end
  end

  def spin_await(stint, task)
    until stint.over?
      task.async { nil }.wait
      stint.counts[0] += 1
      task.yield if (stint.counts[0] % 100).zero?
    end
  end

  def timeout(stint, task)
    until stint.over?
      100.times { task.with_timeout(10) { nil } }
      stint.counts[0] += 100
      task.yield
    end
  end
end
