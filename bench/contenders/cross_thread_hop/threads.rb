# frozen_string_literal: true

class ThreadThreadHop < Bench::ThreadContender
  about "two threads per pair, Thread::Queue"

  private

  def start(stint)
    Array.new(stint[:pairs]) { |index| start_pair(stint, index) }
  end

  def start_pair(stint, index)
    there, back = Array.new(2) { Queue.new }
    stint.counts[index] = 0
    [Thread.new { serve(stint, index, back, there) }, Thread.new { reply(there, back) }]
  end

  def serve(stint, index, from, to)
    until stint.over?
      stint.timed(index, 2) do
        to.push(:item)
        from.pop
      end
    end
    to.close
  end

  def reply(from, to)
    while (item = from.pop)
      to.push(item)
    end
  end
end
