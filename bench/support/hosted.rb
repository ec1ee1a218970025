# frozen_string_literal: true

require_relative "self_timed"

module Bench
  # A question whose measured process is the client of a server of the system's packages. That is
  # started once for all rounds, on the load generator's core; contenders find its `port` and its `folder`
  # among the parameters.
  class Hosted < SelfTimed
    # `server` is a class of test/support/servers.
    def initialize(key, server:, **options)
      super(key, **options)
      @kind = server
    end

    def missing
      "#{@kind.name} is not installed here: bin/setup --servers" unless @kind.program
    end

    def surround
      @server = @kind.new(wrapper: Pinning.load([]))
      FileUtils.chmod(0o755, @server.folder) # a server that was given another user may have a socket there
      yield
    ensure
      @server&.stop
    end

    private

    def measure(contender, params, wrapper = [])
      super(contender, params.merge(port: @server.port, folder: @server.folder), wrapper)
    end
  end
end
