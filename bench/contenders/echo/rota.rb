# frozen_string_literal: true

# Buffered streams: multishot receive, send at once.
class RotaEcho < Bench::RotaServer
  about "Rota.listen, Stream#readpartial with a buffer and Stream#write"

  private

  def handle(stream)
    buffer = String.new(capacity: 16_384)
    loop { stream.write(stream.readpartial(16_384, buffer)) }
  end
end
