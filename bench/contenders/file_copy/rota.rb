# frozen_string_literal: true

require_relative "_files"

class RotaCopy < Bench::RotaContender
  include CopiedFiles

  about "Rota.loop.copy"
  on_both_engines

  private

  def start(stint)
    @io = Rota.loop
    Rota.spin { keep_copying(stint) { Rota.snooze } }
  end

  def copy = @io.copy(@source, @target)
end
