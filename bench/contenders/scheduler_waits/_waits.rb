# frozen_string_literal: true

# Queues and sleeps as any program has them that knows nothing of its scheduler.
module ScheduledWaits
  private

  def start(stint, *)
    stint[:pairs].times do |index|
      stint.counts[index] = 0
      stint[:what] == "sleep" ? start_sleepers(stint, index) : start_pair(stint, index)
    end
  end

  def act(&block) = Fiber.schedule(&block)

  def start_pair(stint, index)
    there, back = Array.new(2) { Thread::Queue.new }
    act { serve(stint, index, back, there) }
    act { while (item = there.pop) do back << item end }
  end

  def start_sleepers(stint, index)
    2.times do
      act do
        until stint.over?
          sleep(0)
          stint.counts[index] += 1
        end
      end
    end
  end

  def serve(stint, index, back, there)
    until stint.over?
      there << 1
      back.pop
      stint.counts[index] += 2
    end
    there.close
  end
end
