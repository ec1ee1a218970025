# frozen_string_literal: true

require_relative "_on_io"

class ThreadReads < Bench::ThreadContender
  include ReadsOnIO

  about "a thread per actor, IO#pread with a buffer"

  private

  def start(stint)
    Array.new(stint[:tasks]) { |index| Thread.new { read(stint, index) { nil } } }
  end
end
