# frozen_string_literal: true

require_relative "_ends"

# Its backend's own methods, which read into the caller's buffer.
class PolyphonyPairs < Bench::PolyphonyContender
  about "two fibers per pair, Polyphony.backend_read with a buffer and backend_write"

  private

  def start(stint)
    stint[:pairs].times do |index|
      near, far = Ends.open(stint[:transport])
      stint.counts[index] = 0
      spin { serve(stint, index, *near) }
      spin { reply(stint[:bytes], *far) }
    end
  end

  def serve(stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      Polyphony.backend_write(writer, message)
      Polyphony.backend_read(reader, buffer, stint[:bytes], false, 0)
      stint.counts[index] += 2
    end
    writer.close
  end

  def reply(bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    Polyphony.backend_write(writer, buffer) while Polyphony.backend_read(reader, buffer, bytes, false, 0)
  end
end
