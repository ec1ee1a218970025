# frozen_string_literal: true

require_relative "_files"

class CopyStream < Bench::SequentialContender
  include CopiesStream

  about "one thread, IO.copy_stream (copy_file_range)"

  private

  def bounce(stint)
    rewind
    copy
    stint.counts[0] += 1
  end
end
