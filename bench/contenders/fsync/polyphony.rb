# frozen_string_literal: true

require_relative "_on_io"

class PolyphonySyncs < Bench::PolyphonyContender
  include SyncsOnIO

  about "a fiber per actor, IO#pwrite and #fsync, which block the thread"

  private

  def start(stint)
    stint[:tasks].times { |index| spin { write_and_sync(stint, index) { snooze } } }
  end
end
