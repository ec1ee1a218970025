# frozen_string_literal: true

require "net/http"
require_relative "../../support/pinning"
require_relative "_clients"

# The server is bench/floor/echo_uring.c on the load generator's core; its connections stay.
module Fetches
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

  def connect(_stint) = Net::HTTP.start("127.0.0.1", @port)
  def ask(http) = http.get("/").body
end
