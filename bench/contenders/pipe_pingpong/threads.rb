# frozen_string_literal: true

# What a user has without any library. sysread and syswrite cost a quarter less than readpartial and
# write, and do the same here.
class ThreadPipes < Bench::RubyContender
  label "native threads"
  about "two threads per pair, sysread with a buffer and syswrite"

  def run(stint)
    threads = Array.new(stint[:pairs]) { |index| start_pair(stint, index) }.flatten
    stint.watch { |seconds| sleep(seconds) }
    threads.each(&:join)
  end

  private

  def start_pair(stint, index)
    there, back = Array.new(2) { IO.pipe }
    stint.counts[index] = 0
    [Thread.new { serve(stint, index, back.first, there.last) },
     Thread.new { reply(stint[:bytes], there.first, back.last) }]
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
