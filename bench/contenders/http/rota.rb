# frozen_string_literal: true

# The project's example, which is a server in Ruby on a stream.
class RotaHTTP < Bench::RotaServer
  about "examples/http_server.rb: every limit checked, one deadline per connection"

  def serve(service)
    require File.join(Bench::Paths::ROOT, "examples", "http_server.rb")
    @app = Application.new
    @limits = HTTP::Limits.new
    super
  end

  private

  def handle(stream)
    HTTP::Connection.new(stream, @app, @limits).serve
  end
end
