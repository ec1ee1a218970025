# frozen_string_literal: true

require "socket"
require_relative "../../support/random_tree"

module Storm
  # Tasks that do to each other whatever the contract allows. Of a world without memory they know
  # nothing: their errors are anybody's.
  class Tree < Workload
    def start
      @ends = UNIXSocket.pair
      @tree = RandomTree.new(random, *@ends)
      spin do
        until world.over?
          @tree.calmly { Rota.sleep(0.0005) }
          @tree.calmly { @tree.grow }
        end
        @tree.fell
      end
    end

    def check
      broken @tree.faults.join(", ") unless @tree.faults.empty?
      world.count(:tree_members, @tree.size)
    ensure
      @ends.each(&:close)
    end
  end
end
