# frozen_string_literal: true

require_relative "_on_io"

class ThreadSyncs < Bench::ThreadContender
  include SyncsOnIO

  about "a thread per actor, IO#pwrite and #fsync"

  private

  def start(stint)
    Array.new(stint[:tasks]) { |index| Thread.new { write_and_sync(stint, index) { nil } } }
  end
end
