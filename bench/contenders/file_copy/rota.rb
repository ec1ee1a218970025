# frozen_string_literal: true

require_relative "_files"

class RotaCopy < Bench::RotaContender
  about "Rota.loop.copy"
  on_both_engines

  def run(stint)
    CopiedFiles.open(stint[:kib]) do |source, target|
      @source = source
      @target = target
      super
    end
  end

  private

  def start(stint)
    io = Rota.loop
    stint.counts[0] = 0
    Rota.spin do
      until stint.over?
        CopiedFiles.rewind(@source, @target)
        io.copy(@source, @target)
        stint.counts[0] += 1
        Rota.snooze
      end
    end
  end
end
