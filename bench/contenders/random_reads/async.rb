# frozen_string_literal: true

require_relative "_on_io"

class AsyncReads < Bench::AsyncContender
  include ReadsOnIO

  about "a task per actor, IO#pread with a buffer"

  private

  def start(stint, parent)
    stint[:tasks].times { |index| parent.async { |task| read(stint, index) { task.yield } } }
  end
end
