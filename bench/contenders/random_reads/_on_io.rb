# frozen_string_literal: true

require_relative "_file"

# The actors of all who work through Ruby's own IO objects. They give way now and then, so that the end
# of the stint is noticed.
module ReadsOnIO
  def run(stint)
    ReadFile.open do |file|
      @file = file
      super
    end
  end

  private

  def read(stint, index)
    buffer = String.new(capacity: ReadFile::BYTES)
    stint.counts[index] = 0
    until stint.over?
      100.times { @file.pread(ReadFile::BYTES, ReadFile.offset, buffer) }
      stint.counts[index] += 100
      yield
    end
  end
end
