# frozen_string_literal: true

require_relative "_file"

class RotaReads < Bench::RotaContender
  about "Rota.loop.read with a buffer and an offset"
  on_both_engines

  def run(stint)
    ReadFile.open do |file|
      @file = file
      super
    end
  end

  private

  def start(stint)
    io = Rota.loop
    stint[:tasks].times { |index| Rota.spin { read(io, stint, index) } }
  end

  def read(io, stint, index)
    buffer = String.new(capacity: ReadFile::BYTES)
    stint.counts[index] = 0
    until stint.over?
      100.times { io.read(@file, ReadFile::BYTES, buffer, 0, ReadFile.offset) }
      stint.counts[index] += 100
      Rota.snooze
    end
  end
end
