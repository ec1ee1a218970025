# frozen_string_literal: true

require_relative "_file"

# The actors of all who work through Ruby's own IO objects.
module SyncsOnIO
  private

  def write_and_sync(stint, index)
    file = SyncedFile.open(index)
    stint.counts[index] = 0
    until stint.over?
      stint.timed(index) do
        file.pwrite(SyncedFile::BYTES, 0)
        file.fsync
      end
      yield
    end
    file.close
  end
end
