# frozen_string_literal: true

module Rota
  # A unit of concurrent work, run on a fiber that later tasks may reuse. Made by {Rota.spin}.
  class Task
    # @return [String]
    def inspect
      name = tag.nil? ? "" : " #{tag.inspect}"
      "#<Rota::Task#{name} #{location} (#{state})>"
    end
    alias to_s inspect
  end
end
