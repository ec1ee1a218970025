# frozen_string_literal: true

require_relative "_file"

class SequentialReads < Bench::SequentialContender
  about "one thread, IO#pread with a buffer"

  def run(stint)
    ReadFile.open do |file|
      @file = file
      super
    end
  end

  private

  def bounce(stint)
    @buffer ||= String.new(capacity: ReadFile::BYTES)
    100.times { @file.pread(ReadFile::BYTES, ReadFile.offset, @buffer) }
    stint.counts[0] += 100
  end
end
