# frozen_string_literal: true

require "socket"

# The Rack application of all who speak Rack: "/" greets, "/size/N" answers N bytes.
module RackApp
  TYPE = { "content-type" => "text/plain" }.freeze
  BODIES = Hash.new { |bodies, path| bodies[path] = ["x" * path[%r{\A/size/(\d+)\z}, 1].to_i].freeze }
  BODIES["/"] = ["Hello from Rota\n"].freeze

  module_function

  def call(environment)
    [200, TYPE.dup, BODIES[environment["PATH_INFO"]]]
  end

  def to_proc = method(:call).to_proc

  # For servers that want to be told where to listen.
  def free_port = TCPServer.open("127.0.0.1", 0) { |server| server.local_address.ip_port }

  # Tells the harness as soon as the server answers, whose start does not return.
  def announce(service, port)
    Thread.new do
      TCPSocket.open("127.0.0.1", port).close
      service.ready(port)
    rescue Errno::ECONNREFUSED
      sleep 0.02
      retry
    end
  end
end
