# frozen_string_literal: true

require "rota"

# Which engines this run of the tests can use: the one that ROTA_ENGINE forces, else both, or epoll
# alone where io_uring is refused.
module Engines
  DEFAULT = Rota.run { Rota.loop.engine }
  FORCED = !["", "auto"].include?(ENV.fetch("ROTA_ENGINE", ""))
  ALL = (FORCED ? [DEFAULT] : [DEFAULT, :epoll].uniq).freeze

  # Does what is about entries and queues of the ring, or about its features, apply?
  def self.ring? = DEFAULT == :io_uring
end
