# frozen_string_literal: true

class RotaLines < Bench::RotaServer
  about "Stream#gets and Stream#write"

  private

  def handle(stream)
    while (line = stream.gets)
      stream.write(line)
    end
  end
end
