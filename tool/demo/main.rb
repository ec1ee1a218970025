# frozen_string_literal: true

# What bin/demo runs when everything is set up.

require "rbconfig"
require_relative "options"

module Demo
  RUBY = [RbConfig.ruby, *$LOAD_PATH.map { |path| "-I#{path}" }].freeze # all processes load the same Rota
  COMMAND = [*RUBY, File.expand_path(__FILE__)].freeze
  EXAMPLE = File.expand_path("../../examples/http_server.rb", __dir__)

  module_function

  # Each mode loads what it needs: the process that shows the table has no use for Rota.
  def run(options)
    case options.mode
    when :show then show(options)
    when :serve then serve(options.address || "127.0.0.1:#{options.port || 8080}")
    when :server then internal_server("127.0.0.1:#{options.port || 0}")
    when :client then internal_client(options)
    end
  end

  def show(options)
    require_relative "show"
    Show.new(options, $stdout).run
  rescue Show::Failed => e
    warn "demo: #{e.message}"
    false
  end

  def serve(address)
    puts "Ctrl-C stops; try: curl -i http://#{address}/"
    exec(*RUBY, EXAMPLE, address)
  end

  def internal_server(address)
    allow_many_descriptors
    require_relative "server"
    Server.run(address)
    true
  end

  def internal_client(options)
    allow_many_descriptors
    require_relative "client"
    address = "127.0.0.1:#{options.port || 8080}"
    Client.new(address, connections: options.connections, seconds: options.seconds).run
    true
  end

  def allow_many_descriptors
    _soft, hard = Process.getrlimit(:NOFILE)
    Process.setrlimit(:NOFILE, hard)
  end

  # 1234567 => "1,234,567"
  def grouped(number)
    number.round.to_s.gsub(/(?<=\d)(?=(\d{3})+\z)/, ",")
  end
end

$stdout.sync = true
begin
  exit Demo.run(Demo::Options.new(ARGV))
rescue OptionParser::ParseError => e
  abort "demo: #{e.message}"
rescue Interrupt
  exit 130
end
