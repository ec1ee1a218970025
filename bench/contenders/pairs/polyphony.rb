# frozen_string_literal: true

require_relative "_ends"

# Its backend's own methods, which read into the caller's buffer.
class PolyphonyPairs < Bench::PolyphonyContender
  about "two fibers per pair, Polyphony.backend_read with a buffer and backend_write " \
        "(of sockets backend_recv and backend_send)"

  private

  def start(stint)
    serving, replying = stint[:transport] == "unix" ? %i[serve_socket reply_socket] : %i[serve reply]
    stint[:pairs].times do |index|
      near, far = Ends.open(stint[:transport])
      stint.counts[index] = 0
      spin { send(serving, stint, index, *near) }
      spin { send(replying, stint[:bytes], *far) }
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

  def serve_socket(stint, index, socket, _)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      Polyphony.backend_send(socket, message, 0)
      Polyphony.backend_recv(socket, buffer, stint[:bytes], 0)
      stint.counts[index] += 2
    end
    socket.close
  end

  def reply_socket(bytes, socket, _)
    buffer = String.new(capacity: bytes)
    Polyphony.backend_send(socket, buffer, 0) while Polyphony.backend_recv(socket, buffer, bytes, 0)
  end
end
