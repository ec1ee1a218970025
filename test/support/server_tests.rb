# frozen_string_literal: true

require_relative "server_process"

# Client libraries as they are, against the servers that they are for: fifty tasks that each wait for
# their server's answer wait at the same time, and each gets its own.
class ServerTest < RotaTest
  time_limit 120

  TASKS = 50
  WAIT = 0.2 # seconds that the server takes for each answer

  private

  # The server, with its client loaded. Without one of them the test is skipped, and where
  # ROTA_SERVERS=required says that they have to be there it fails.
  def need(kind, *libraries)
    missing("no #{kind.name}") unless kind.program
    libraries.each { |library| require library }
    kind.running.tap { @descriptors_before = Leaks.descriptors }
  rescue LoadError => e
    missing(e.message)
  end

  def missing(what)
    ENV["ROTA_SERVERS"] == "required" ? flunk("#{what}; bin/setup --servers installs it") : skip(what)
  end

  # The results of the block in fifty tasks, which together take about as long as the slowest of them.
  def at_once
    spans = []
    results, total = timed do
      Rota.run do
        Array.new(TASKS) { |i| Rota.spin { timed { yield i }.then { |result, span| spans << span && result } } }
             .map(&:await)
      end
    end
    assert_operator total, :<, 3 * spans.max, "they waited for each other (#{spans.sum.round(2)} s in a row)"
    results
  end

  def timed
    start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    [yield, Process.clock_gettime(Process::CLOCK_MONOTONIC) - start]
  end
end
