# frozen_string_literal: true

# An HTTP/1.1 server.
#
#   ruby -Ilib examples/http_server.rb [host:port] [options]     (default 127.0.0.1:8080)
#
#   curl -i http://127.0.0.1:8080/                      a greeting
#   curl -d 'some text' http://127.0.0.1:8080/echo      the body comes back
#   curl -s http://127.0.0.1:8080/size/1000000 | wc -c  as many bytes as you ask for
#   wrk -c 100 -d 5 http://127.0.0.1:8080/              how fast is it?
#
# `--help` lists the limits on what a client may send and how long it may take.
#
# This file is the application and the command line. The protocol is in `http/`.

require "optparse"
require "rota"
require_relative "http/connection"
require_relative "http/filler"
require_relative "http/limits"

# The routes.
class Application
  HELLO = HTTP::Response.new("Hello from Rota\n")
  NOT_FOUND = HTTP::Response.error(404)
  ONLY_GET = HTTP::Response.error(405, fields: "Allow: GET, HEAD\r\n")
  ONLY_POST = HTTP::Response.error(405, fields: "Allow: POST\r\n")
  SIZE = %r{\A/size/(\d{1,9})\z}

  def call(request)
    case request.target
    when "/" then get(request) { HELLO }
    when "/echo" then echo(request)
    when SIZE then size(request, $1.to_i)
    else NOT_FOUND
    end
  end

  private

  def echo(request)
    post(request) { HTTP::Response.new(request.body, type: "application/octet-stream") }
  end

  def size(request, bytes)
    get(request) { HTTP::Response.new(HTTP::Filler.new(bytes), type: "application/octet-stream") }
  end

  def get(request)
    request.method == "GET" || request.head? ? yield : ONLY_GET
  end

  def post(request)
    request.method == "POST" ? yield : ONLY_POST
  end
end

# What the command line says.
class Options
  attr_reader :address, :limits

  def initialize(arguments)
    limits = {}
    @address = parser(limits).parse(arguments).first || "127.0.0.1:8080"
    @limits = HTTP::Limits.new(**limits)
  end

  private

  def parser(limits)
    OptionParser.new("usage: http_server.rb [host:port] [options]") do |o|
      o.on("--idle SECONDS", Float, "between two requests (30)") { |v| limits[:idle] = v }
      o.on("--request SECONDS", Float, "for one request and its response (10)") { |v| limits[:request] = v }
      o.on("--max-head BYTES", Integer, "all header fields together (16384)") { |v| limits[:head] = v }
      o.on("--max-body BYTES", Integer, "one request body (1048576)") { |v| limits[:body] = v }
    end
  end
end

if $PROGRAM_NAME == __FILE__
  $stdout.sync = true
  options = Options.new(ARGV)
  app = Application.new

  Rota.run do
    listener = Rota.listen(options.address) do |stream|
      HTTP::Connection.new(stream, app, options.limits).serve
    end

    puts "listening on #{listener.address}"
    Rota.sleep
  rescue Interrupt
    listener&.stop(graceful: 1)
    puts "stopped"
  end
end
