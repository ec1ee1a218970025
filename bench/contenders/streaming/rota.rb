# frozen_string_literal: true

require_relative "_piece"

class RotaStreaming < Bench::RotaServer
  about "Stream#write"

  private

  def handle(stream)
    stream.readpartial(16)
    loop { stream.write(Piece::BYTES) }
  end
end
