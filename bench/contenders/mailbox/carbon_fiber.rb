# frozen_string_literal: true

# Its fibers have no mailbox.
class CarbonFiberMailbox < Bench::CarbonFiberContender
  about "two fibers per pair, a Thread::Queue each (which asks its scheduler)"

  private

  def start(stint)
    stint[:pairs].times { |index| start_pair(stint, index) }
  end

  def start_pair(stint, index)
    stint.counts[index] = 0
    mine, other = Array.new(2) { Thread::Queue.new }
    Fiber.schedule { reply(other) }
    Fiber.schedule { serve(stint, index, mine, other) }
  end

  def serve(stint, index, mine, other)
    until stint.over?
      other.push(mine)
      mine.pop
      stint.counts[index] += 2
    end
    other.push(nil)
  end

  def reply(mailbox)
    while (sender = mailbox.pop)
      sender.push(:answer)
    end
  end
end
