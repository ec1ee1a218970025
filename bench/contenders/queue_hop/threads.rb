# frozen_string_literal: true

# What a user has without any library.
class ThreadHop < Bench::RubyContender
  label "native threads"
  about "two threads per pair, Thread::Queue"

  def run(stint)
    threads = Array.new(stint[:pairs]) { |index| start_pair(stint, index) }.flatten
    stint.watch { |seconds| sleep(seconds) }
    threads.each(&:join)
  end

  private

  def start_pair(stint, index)
    there, back = Array.new(2) { Queue.new }
    stint.counts[index] = 0
    [Thread.new { serve(stint, index, back, there) }, Thread.new { reply(there, back) }]
  end

  def serve(stint, index, from, to)
    until stint.over?
      to.push(:item)
      from.pop
      stint.counts[index] += 2
    end
    to.close
  end

  def reply(from, to)
    while (item = from.pop)
      to.push(item)
    end
  end
end
