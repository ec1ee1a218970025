# frozen_string_literal: true

# Two fibers per pair, on Rota's scheduler.
class RotaSchedulerWaits < Bench::RubyContender
  label "rota"
  about "two tasks per pair, Thread::Queue and Kernel#sleep"
  needs Bench::Need.rota

  def run(stint)
    require "rota"
    Rota.run do
      io = Rota.loop
      stint.stats { io.stats }
      stint[:pairs].times { |index| start_pair(stint, index) }
      stint.watch { |seconds| sleep(seconds) }
    end
  end

  private

  def start_pair(stint, index)
    stint.counts[index] = 0
    return start_sleepers(stint, index) if stint[:what] == "sleep"

    there, back = Array.new(2) { Thread::Queue.new }
    Rota.spin { serve(stint, index, back, there) }
    Rota.spin { while (item = there.pop) do back << item end }
  end

  def start_sleepers(stint, index)
    2.times do
      Rota.spin do
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
