# frozen_string_literal: true

require_relative "../pairs/_ends"
require_relative "../pairs/_led"
require_relative "_null_hooks"

# What Ruby and the kernel take for a message behind a scheduler: core's way to its hooks and back, the two
# system calls, and one switch to a fiber that is known. Any scheduler that makes these calls does this.
class LeastHooksPipe < Bench::SequentialContender
  include LedPairs

  needs Bench::Need.floor("least_hooks")
  label "least hooks"
  about "hooks in C: IO#readpartial enters the next fiber of a circle, and makes one call, as IO#write does"

  def set_up = require(Bench::Floor.extension("least_hooks"))

  def run(stint)
    @home = Fiber.current
    Fiber.set_scheduler(scheduler = Class.new { include NullHooks }.include(LeastHooks).new)
    scheduler.circle = Array.new(stint[:pairs]) { |index| pair(stint, index, *Ends.open("pipe")) }.flatten(1)
    scheduler.enter_next
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

  def reply(bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    loop { writer.write(reader.readpartial(bytes, buffer)) }
  end
end
