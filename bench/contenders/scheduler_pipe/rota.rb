# frozen_string_literal: true

# Two fibers per pair on pipes, on Rota's scheduler.
class RotaSchedulerPipe < Bench::RubyContender
  label "rota"
  about "two tasks per pair, IO#readpartial with a buffer and IO#write"
  needs Bench::Need.rota

  def run(stint)
    require "rota"
    Rota.run do
      io = Rota.loop
      stint.stats { io.stats }
      stint[:pairs].times { |index| start_pair(stint, index) }
      stint.watch { |seconds| sleep(seconds) }
    end
  end

  private

  def start_pair(stint, index)
    there, back = Array.new(2) { IO.pipe.each { |io| io.sync = true } }
    stint.counts[index] = 0
    Rota.spin { serve(stint, index, back.first, there.last) }
    Rota.spin { reply(stint[:bytes], there.first, back.last) }
  end

  def serve(stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      writer.write(message)
      reader.readpartial(stint[:bytes], buffer)
      stint.counts[index] += 2
    end
    writer.close
  end

  def reply(bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    loop { writer.write(reader.readpartial(bytes, buffer)) }
  rescue EOFError
    nil
  end
end
