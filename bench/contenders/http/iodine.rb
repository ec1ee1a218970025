# frozen_string_literal: true

require_relative "_app"

class IodineHTTP < Bench::RubyServer
  label "iodine"
  about "one process, one thread for Ruby; HTTP is parsed in C"
  needs Bench::Need.gem("iodine")

  def serve(service)
    require "iodine"
    port = RackApp.free_port
    Iodine.threads = 1
    Iodine.workers = 1
    Iodine.verbosity = 1
    Iodine.listen(service: :http, address: "127.0.0.1", port: port.to_s, handler: RackApp, log: false)
    RackApp.announce(service, port)
    Iodine.start
  end
end
