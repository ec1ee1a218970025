# frozen_string_literal: true

require_relative "question"

module Bench
  # A question whose measured process is a server, driven by a load generator on the other core. The
  # load generator reads the server's processor time, so that it covers just the counted requests.
  class Served < Question
    # The block answers the load generator's command for (params, port, pid); it prints one line of
    # JSON with ops, total_ops, wall_ns, cpu_ns, rss_kb and, if it knows them, p50_ns and p99_ns.
    # `patience` is how many seconds it may take beside warm-up and window.
    def initialize(key, patience: Child::START_SECONDS, **options, &load_command)
      super(key, **options)
      @patience = patience
      @load_command = load_command
    end

    private

    def measure(contender, params, wrapper = [])
      Child.start(Pinning.measured(contender.command(params, wrapper))) do |server|
        port = server.await("ready").fetch(:port)
        yield server.pid
        load = drive(params, port, server)
        load.merge(in_window(server, load.fetch(:total_ops), load.fetch(:ops)))
      end
    end

    def drive(params, port, server)
      seconds = params[:warmup] + params[:seconds] + @patience
      command = Pinning.load(@load_command.call(params, port, server.pid))
      JSON.parse(Child.capture(command, seconds: seconds), symbolize_names: true)
    rescue Child::Failure => e
      raise Child::Failure, "#{e.message} (server: #{server.complaint})"
    end

    # What the server counted over its life, scaled to the window.
    def in_window(server, total, counted)
      server.terminate
      result = server.await("result")
      raise Child::Failure, server.complaint unless server.wait && server.success?

      result.transform_values { |value| value * counted / total }
    end
  end
end
