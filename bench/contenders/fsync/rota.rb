# frozen_string_literal: true

require_relative "_file"

class RotaSyncs < Bench::RotaContender
  about "a task per actor, Rota.loop.pwrite and #fsync"
  needs Bench::Need.rota_method("Rota::Loop", "fsync"), Bench::Need.rota_method("Rota::Loop", "pwrite")
  on_both_engines

  private

  def start(stint)
    io = Rota.loop
    stint[:tasks].times { |index| Rota.spin { write_and_sync(io, stint, index) } }
  end

  def write_and_sync(io, stint, index)
    file = SyncedFile.open(index)
    stint.counts[index] = 0
    until stint.over?
      stint.timed(index) do
        io.pwrite(file, SyncedFile::BYTES, 0)
        io.fsync(file)
      end
    end
    file.close
  end
end
