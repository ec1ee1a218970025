# frozen_string_literal: true

class PolyphonyMailbox < Bench::PolyphonyContender
  about "two fibers per pair, Fiber#<< and receive"

  private

  def start(stint)
    stint[:pairs].times { |index| start_pair(stint, index) }
  end

  def start_pair(stint, index)
    stint.counts[index] = 0
    replier = spin { reply }
    spin { serve(stint, index, replier) }
  end

  def serve(stint, index, replier)
    me = Fiber.current
    until stint.over?
      replier << me
      receive
      stint.counts[index] += 2
    end
    replier << nil
  end

  def reply
    while (sender = receive)
      sender << :answer
    end
  end
end
