# frozen_string_literal: true

require_relative "_app"

class ItsiHTTP < Bench::RubyServer
  label "itsi"
  about "one worker, one thread for Ruby; HTTP is parsed in Rust"
  needs Bench::Need.gem("itsi-server", "itsi/server")

  def serve(service)
    require "itsi/server"
    require "tmpdir"
    port = RackApp.free_port
    RackApp.announce(service, port)
    Dir.chdir(Dir.mktmpdir) # where it writes its pid
    Itsi::Server.start({ binds: ["http://127.0.0.1:#{port}"], threads: 1, workers: 1 }) { run RackApp }
  end
end
