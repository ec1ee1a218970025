# frozen_string_literal: true

require_relative "_app"

class FalconHTTP < Bench::RubyServer
  label "falcon"
  about "Falcon::Server in one process, without its cache middleware"
  needs Bench::Need.gem("falcon")
  variant "newer", label: "falcon", newer: true

  def serve(service)
    require "async"
    # async asks every IO for it, and Ruby has it since 3.2
    IO.define_method(:timeout) { nil } unless IO.method_defined?(:timeout)
    require "async/http/endpoint"
    require "falcon/server"
    port = RackApp.free_port
    Async do
      endpoint = Async::HTTP::Endpoint.parse("http://127.0.0.1:#{port}")
      Falcon::Server.new(Falcon::Server.middleware(RackApp, cache: false), endpoint).run
      service.ready(port)
    end
  end
end
