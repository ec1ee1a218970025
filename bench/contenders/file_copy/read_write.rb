# frozen_string_literal: true

require_relative "_files"

class ReadAndWrite < Bench::SequentialContender
  include CopiedFiles

  PIECE = 256 * 1024

  label "read, write"
  about "one thread, sysread and syswrite of 256 KiB into one buffer"

  private

  def bounce(stint)
    @buffer ||= String.new(capacity: PIECE)
    rewind
    nil while copy_piece
    stint.counts[0] += 1
  end

  def copy_piece
    @target.syswrite(@source.sysread(PIECE, @buffer))
  rescue EOFError
    nil
  end
end
