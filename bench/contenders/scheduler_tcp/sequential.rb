# frozen_string_literal: true

class SequentialSchedulerEcho < Bench::SequentialServer
  about "no scheduler, one thread, IO.select, read_nonblock with a buffer and write"

  private

  def handle(socket)
    @buffer ||= String.new(capacity: 16_384)
    socket.write(socket.read_nonblock(16_384, @buffer))
  end
end
