# frozen_string_literal: true

require_relative "../pairs/_led"
require_relative "../pairs/_on_io"
require_relative "_null_hooks"

# A scheduler whose hooks are a module in C, from bench/floor/least_hooks.c. The contender says which
# (`hooks`), and how its fibers are begun (`begin_with`).
module OnLeastHooks
  include PairsOnIO
  include LedPairs

  def self.included(contender)
    contender.needs Bench::Need.floor("least_hooks")
  end

  def set_up = require(Bench::Floor.extension("least_hooks"))

  def run(stint)
    @home = Fiber.current
    Fiber.set_scheduler(scheduler = Class.new { include NullHooks }.include(hooks).new)
    @fibers = Array.new(stint[:pairs]) { |index| pair(stint, index, *Ends.open("pipe")) }.flatten(1)
    begin_with(scheduler)
  end

  private

  def serve(stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    while yield(stint.counts[index])
      writer.write(message)
      reader.readpartial(stint[:bytes], buffer)
      stint.counts[index] += 2
    end
  end
end
