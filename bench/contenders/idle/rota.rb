# frozen_string_literal: true

# What arrives comes as a String of its length, so nothing is held while nobody sends.
class RotaIdle < Bench::RotaServer
  about "Stream#readpartial without a buffer and Stream#write"

  private

  def handle(stream)
    while (message = stream.readpartial(16_384))
      stream.write(message)
    end
  end
end
