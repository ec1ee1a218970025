# frozen_string_literal: true

require_relative "_files"

class ThreadCopy < Bench::ThreadContender
  include CopiesStream

  about "a thread, IO.copy_stream (copy_file_range)"

  private

  def start(stint)
    [Thread.new { keep_copying(stint) { nil } }]
  end
end
