# frozen_string_literal: true

require "json"
require "net/http"

module Demo
  # What the server's loop had counted at one moment.
  class Counters
    attr_reader :requests, :engine, :stats, :features

    def self.of(address)
      response = Net::HTTP.get_response(URI("http://#{address}/counters"))
      new(**JSON.parse(response.body, symbolize_names: true))
    end

    def initialize(requests:, engine:, stats:, features:)
      @requests = requests
      @engine = engine
      @stats = stats
      @features = features
    end

    # How often something was counted for each request since an earlier moment, nil if nobody counts.
    def per_request(name, since)
      return unless @stats[name] && since.stats[name]

      (@stats[name] - since.stats[name]) / (@requests - since.requests).to_f
    end
  end
end
