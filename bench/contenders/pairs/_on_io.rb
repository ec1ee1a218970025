# frozen_string_literal: true

require_relative "_ends"

# The actors of all who work through Ruby's own IO objects.
module PairsOnIO
  private

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
    nil # the other side is done
  end
end
