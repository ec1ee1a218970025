# frozen_string_literal: true

require_relative "_file"

class SequentialSyncs < Bench::SequentialContender
  about "one thread that serves the files in turn, IO#pwrite and #fsync"

  private

  def prepare(stint)
    @files = Array.new(stint[:tasks]) { |index| SyncedFile.open(index) }
  end

  def bounce(stint)
    @files.each do |file|
      stint.timed(0) do
        file.pwrite(SyncedFile::BYTES, 0)
        file.fsync
      end
    end
  end
end
