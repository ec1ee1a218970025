# frozen_string_literal: true

require_relative "_ends"

# sysread and syswrite cost a quarter less than readpartial and write, and do the same here.
class ThreadPairs < Bench::ThreadContender
  about "two threads per pair, sysread with a buffer and syswrite"

  private

  def start(stint)
    Array.new(stint[:pairs]) do |index|
      near, far = Ends.open(stint[:transport])
      stint.counts[index] = 0
      [Thread.new { serve(stint, index, *near) }, Thread.new { reply(stint[:bytes], *far) }]
    end
  end

  def serve(stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      writer.syswrite(message)
      reader.sysread(stint[:bytes], buffer)
      stint.counts[index] += 2
    end
    writer.close
  end

  def reply(bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    loop do
      reader.sysread(bytes, buffer)
      writer.syswrite(buffer)
    end
  rescue EOFError
    nil # the other side is done
  end
end
