# frozen_string_literal: true

# A task per connection on buffered streams: multishot receive, send at once.
class RotaEcho < Bench::RubyServer
  label "rota"
  about "Rota.listen, Stream#readpartial with a buffer and Stream#write"
  needs Bench::Need.rota

  def serve(service)
    require "rota"
    Rota.run do
      io = Rota.loop
      service.stats { io.stats }
      listener = Rota.listen("127.0.0.1:0") { |stream| echo(stream) }
      service.ready(listener.address[/\d+\z/].to_i)
      Rota.sleep
    ensure
      service.finish # while the loop can still be asked
    end
  end

  private

  def echo(stream)
    buffer = String.new(capacity: 16_384)
    loop { stream.write(stream.readpartial(16_384, buffer)) }
  rescue EOFError, Errno::ECONNRESET
    nil # the client is gone
  end
end
