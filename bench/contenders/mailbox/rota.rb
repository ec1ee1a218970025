# frozen_string_literal: true

class RotaMailbox < Bench::RotaContender
  about "two tasks per pair, Task#<< and Rota.receive"

  private

  def start(stint)
    stint[:pairs].times { |index| spin_pair(stint, index) }
  end

  def spin_pair(stint, index)
    stint.counts[index] = 0
    replier = Rota.spin { reply }
    Rota.spin { serve(stint, index, replier) }
  end

  def serve(stint, index, replier)
    me = Rota.current
    until stint.over?
      replier << me
      Rota.receive
      stint.counts[index] += 2
    end
    replier << nil
  end

  def reply
    while (sender = Rota.receive)
      sender << :answer
    end
  end
end
