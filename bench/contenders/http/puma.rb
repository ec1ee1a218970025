# frozen_string_literal: true

require_relative "_app"

class PumaHTTP < Bench::RubyServer
  label "puma"
  about "single mode, one thread: with more of them every request costs a change of the lock's owner"
  needs Bench::Need.gem("puma")
  variant "newer", label: "puma", newer: true

  def serve(service)
    require "puma"
    require "puma/configuration"
    require "puma/server"
    log = Puma::LogWriter.new(File.open(File::NULL, "w"), $stderr)
    server = Puma::Server.new(RackApp, nil, { min_threads: 1, max_threads: 1, log_writer: log })
    server.add_tcp_listener("127.0.0.1", 0)
    thread = server.run
    service.ready(server.connected_ports.first)
    thread.join
  end
end
