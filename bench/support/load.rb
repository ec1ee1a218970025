# frozen_string_literal: true

require_relative "floor"
require_relative "served"

module Bench
  # A question whose load generator is a program of bench/floor that takes the common arguments
  # (floor/load.h); `own` names the parameters that follow them.
  class Loaded < Served
    def initialize(key, program:, own:, **options)
      super(key, **options) do |params, port, pid|
        [Floor.build(program), "127.0.0.1", port, params[:connections], params[:seconds], params[:warmup], pid,
         *params.values_at(*own)].map(&:to_s)
      end
    end
  end
end
