# frozen_string_literal: true

require_relative "_files"

class CopyStream < Bench::SequentialContender
  about "one thread, IO.copy_stream (copy_file_range)"

  def run(stint)
    CopiedFiles.open(stint[:kib]) do |source, target|
      @source = source
      @target = target
      super
    end
  end

  private

  def bounce(stint)
    CopiedFiles.rewind(@source, @target)
    IO.copy_stream(@source, @target)
    stint.counts[0] += 1
  end
end
