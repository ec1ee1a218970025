# frozen_string_literal: true

class AsyncSleepers < Bench::RubyContender
  label "async"
  about "a task each, sleep through its scheduler"
  needs Bench::Need.gem("async")

  def run(stint)
    require "async"
    Async do |task|
      stint.counts[0] = 0
      stint[:tasks].times { task.async { doze(stint) } }
      stint.watch { |seconds| sleep(seconds) }
    end
  end

  private

  def doze(stint)
    until stint.over?
      sleep(rand / 10)
      stint.counts[0] += 1
    end
  end
end
