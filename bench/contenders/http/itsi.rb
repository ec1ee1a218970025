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
    Dir.mktmpdir { |folder| Dir.chdir(folder) { run_server(port) } } # where it writes its pid
  end

  private

  def run_server(port)
    Itsi::Server.start({ binds: ["http://127.0.0.1:#{port}"], threads: 1, workers: 1 }) do
      ruby_thread_request_backlog_size 4096 # with its own it answers 503
      run RackApp
    end
  end
end
