# frozen_string_literal: true

class ThreadTasks < Bench::ThreadContender
  about "Thread.pass, Thread.new, Thread#join, Timeout.timeout"

  private

  def start(stint)
    require "timeout"
    stint.counts[0] = 0
    [Thread.new { send(stint[:work], stint) }]
  end

  def switch(stint)
    other = Thread.new { Thread.pass until stint.over? }
    until stint.over?
      Thread.pass
      stint.counts[0] += 2
    end
    other.join
  end

  def spin_end(stint)
    until stint.over?
      Array.new(100) { Thread.new { nil } }.each(&:join)
      stint.counts[0] += 100
    end
  end

  def spin_await(stint)
    until stint.over?
      Thread.new { nil }.join
      stint.counts[0] += 1
    end
  end

  def timeout(stint)
    until stint.over?
      Timeout.timeout(10) { nil }
      stint.counts[0] += 1
    end
  end
end
