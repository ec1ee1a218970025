# frozen_string_literal: true

require_relative "_piece"

# Who has asked is written to whenever there is room.
class SelectStreaming < Bench::SequentialServer
  about "one thread, IO.select, write_nonblock"

  private

  def handle(socket)
    return write(socket) if @takers.include?(socket)

    socket.read_nonblock(16)
    @sources.delete(socket)
    @takers << socket
  end

  def ready
    @takers ||= []
    IO.select(@sources, @takers).first(2).flatten
  end

  def forget(socket)
    super
    @takers.delete(socket)
  end

  def write(socket)
    socket.write_nonblock(Piece::BYTES, exception: false)
  end
end
