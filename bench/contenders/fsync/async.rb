# frozen_string_literal: true

require_relative "_on_io"

class AsyncSyncs < Bench::AsyncContender
  include SyncsOnIO

  about "a task per actor, IO#pwrite and #fsync, which block the thread unless Ruby asks the scheduler"

  private

  def start(stint, parent)
    stint[:tasks].times { |index| parent.async { |task| write_and_sync(stint, index) { task.yield } } }
  end
end
