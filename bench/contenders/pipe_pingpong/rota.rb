# frozen_string_literal: true

# Two tasks per pair; the loop's verbs on ordinary IO objects, with the caller's buffer.
class RotaPipes < Bench::RubyContender
  label "rota"
  about "two tasks per pair, Rota.loop.read with a buffer and Rota.loop.write"
  needs Bench::Need.rota

  def run(stint)
    require "rota"
    Rota.run do
      io = Rota.loop
      stint.stats { io.stats }
      stint[:pairs].times { |index| spin_pair(io, stint, index) }
      stint.watch { |seconds| Rota.sleep(seconds) }
    end
  end

  private

  def spin_pair(io, stint, index)
    there, back = Array.new(2) { IO.pipe }
    stint.counts[index] = 0
    Rota.spin { serve(io, stint, index, back.first, there.last) }
    Rota.spin { reply(io, stint[:bytes], there.first, back.last) }
  end

  def serve(io, stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      io.write(writer, message)
      io.read(reader, stint[:bytes], buffer)
      stint.counts[index] += 2
    end
    writer.close
  end

  def reply(io, bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    io.write(writer, buffer) while io.read(reader, bytes, buffer)
  end
end
