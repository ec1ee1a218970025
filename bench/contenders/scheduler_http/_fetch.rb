# frozen_string_literal: true

require "net/http"
require_relative "../../support/pinning"

# The server is bench/floor/echo_uring.c on the load generator's core; its connections stay.
module HTTPServer
  def set_up
    super
    @server = IO.popen(Bench::Pinning.load([Bench::Floor.build("echo_uring"), "16"]))
    @port = @server.gets[/\d+/].to_i
  end

  def run(stint)
    super
  ensure
    Process.kill(:TERM, @server.pid)
  end

  private

  def fetch(stint, index)
    stint.counts[index] = 0
    Net::HTTP.start("127.0.0.1", @port) do |http|
      stint.timed(index) { http.get("/").body } until stint.over?
    end
  end
end

# Clients as any program makes them that knows nothing of its scheduler.
module ScheduledFetches
  include HTTPServer

  private

  def start(stint, *)
    stint[:clients].times { |index| Fiber.schedule { fetch(stint, index) } }
  end
end
