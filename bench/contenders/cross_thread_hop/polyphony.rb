# frozen_string_literal: true

class PolyphonyThreadHop < Bench::PolyphonyContender
  about "a backend per thread, fibers on both, Fiber#<< and receive"

  private

  def start(stint)
    stint[:pairs].times { |index| spin { serve(stint, index) } }
  end

  def serve(stint, index)
    stint.counts[index] = 0
    replier = start_replier
    me = Fiber.current
    until stint.over?
      stint.timed(index, 2) do
        replier << me
        receive
      end
    end
    replier << nil
  end

  def start_replier
    thread = Thread.new { reply }
    sleep(0.001) until thread.main_fiber
    thread.main_fiber
  end

  def reply
    while (sender = receive)
      sender << :answer
    end
  end
end
