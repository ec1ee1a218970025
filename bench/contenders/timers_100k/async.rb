# frozen_string_literal: true

class AsyncSleepers < Bench::AsyncContender
  about "a task each, sleep through its scheduler"

  private

  def start(stint, task)
    stint.counts[0] = 0
    stint[:tasks].times { task.async { doze(stint) } }
  end

  def doze(stint)
    until stint.over?
      sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
