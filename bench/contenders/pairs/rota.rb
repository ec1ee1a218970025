# frozen_string_literal: true

require_relative "_ends"

# The loop's verbs on ordinary IO objects that are registered, with the caller's buffer.
class RotaPairs < Bench::RotaContender
  about "two tasks per pair, Rota.loop.read with a buffer and Rota.loop.write, on registered files"
  on_both_engines

  private

  def start(stint)
    io = Rota.loop
    stint[:pairs].times { |index| spin_pair(io, stint, index) }
  end

  def spin_pair(io, stint, index)
    near, far = Ends.open(stint[:transport])
    io.register_files([*near, *far])
    stint.counts[index] = 0
    Rota.spin { serve(io, stint, index, *near) }
    Rota.spin { reply(io, stint[:bytes], *far) }
  end

  def serve(io, stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      io.write(writer, message)
      io.read(reader, stint[:bytes], buffer)
      stint.counts[index] += 2
    end
    io.close(writer)
  end

  def reply(io, bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    io.write(writer, buffer) while io.read(reader, bytes, buffer)
  end
end
