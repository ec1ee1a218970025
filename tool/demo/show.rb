# frozen_string_literal: true

require "json"
require_relative "child"
require_relative "counters"
require_relative "progress"
require_relative "report"

module Demo
  # The whole demo: a server, a client that puts load on it, and a table of what came out.
  class Show
    class Failed < StandardError; end

    def initialize(options, output)
      @options = options
      @output = output
    end

    # => whether every response was right
    def run
      Child.run("--server", "internal", "--port", @options.port.to_i.to_s) do |server|
        @address = address_of(server)
        @output.puts "the server listens on #{@address}, a second process drives it"
        Child.run(*client_arguments) { |client| follow(client) }
      end
      Report.new(@options, @figures, @before, @after).print(@output)
      @figures[:errors].empty?
    end

    private

    def client_arguments
      ["--client", "internal", "--port", @address.rpartition(":").last,
       "--connections", @options.connections.to_s, "--seconds", @options.seconds.to_s]
    end

    def address_of(server)
      line = server.gets or raise Failed, "the server did not start"
      line[/listening on (\S+)/, 1]
    end

    # The server's counters are read while the load lasts: at its start, and when it is just over.
    def follow(client)
      progress = Progress.new(@output, @options.seconds)
      while (line = client.gets)
        details = JSON.parse(line, symbolize_names: true)
        case details.delete(:event)
        when "started" then @before = Counters.of(@address)
        when "progress" then progress.show(**details)
        when "over" then @after = Counters.of(@address)
        when "finished" then @figures = details
        end
      end
      raise Failed, "the client ended before its time" unless @figures
    ensure
      progress&.clear
    end
  end
end
