# frozen_string_literal: true

require_relative "_on_io"

# Its own reads know no offset.
class PolyphonyReads < Bench::PolyphonyContender
  include ReadsOnIO

  about "a fiber per actor, IO#pread with a buffer, which blocks the thread"

  private

  def start(stint)
    stint[:tasks].times { |index| spin { read(stint, index) { snooze } } }
  end
end
