# frozen_string_literal: true

class SelectIdle < Bench::SequentialServer
  about "one thread, IO.select, read_nonblock without a buffer and write"

  private

  def handle(socket)
    socket.write(socket.read_nonblock(16_384))
  end
end
