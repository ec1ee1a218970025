# frozen_string_literal: true

# Two fibers per pair, on async's scheduler.
class AsyncURingSchedulerWaits < Bench::RubyContender
  label "async, io_uring"
  about "Async { }, io-event's io_uring selector"
  needs Bench::Need.gem("async")

  def run(stint)
    ENV["IO_EVENT_SELECTOR"] = "URing"
    require "async"
    # async asks every IO for it, and Ruby has it since 3.2
    IO.define_method(:timeout) { nil } unless IO.method_defined?(:timeout)
    Async do
      stint[:pairs].times { |index| start_pair(stint, index) }
      stint.watch { |seconds| sleep(seconds) }
    end
  end

  private

  def start_pair(stint, index)
    stint.counts[index] = 0
    return start_sleepers(stint, index) if stint[:what] == "sleep"

    there, back = Array.new(2) { Thread::Queue.new }
    Async { serve(stint, index, back, there) }
    Async { while (item = there.pop) do back << item end }
  end

  def start_sleepers(stint, index)
    2.times do
      Async do
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
