# frozen_string_literal: true

require_relative "_ends"
require_relative "_led"

# What every runtime with io_uring on Ruby does for a message: two calls of a C method, two entries, two
# switches. Nothing is checked, nobody can be interrupted.
class BareRingPairs < Bench::SequentialContender
  include LedPairs

  needs Bench::Need.floor("bare_ring")
  label "bare ring"
  about "two fibers per pair, a read and a write in C that fill an entry and enter the next fiber; nothing else"

  def set_up = require(Bench::Floor.extension("bare_ring"))

  def run(stint)
    @home = Fiber.current
    sides = Array.new(stint[:pairs]) { Ends.open_numbers(stint[:transport]) }
    fibers = sides.each_with_index.flat_map { |(near, far), index| pair(stint, index, near, far) }
    stint.stats { BareRing.stats }
    BareRing.run(sides.flatten, fibers)
  end

  private

  def serve(stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    while yield(stint.counts[index])
      BareRing.write(writer, message)
      BareRing.read(reader, stint[:bytes], buffer)
      stint.counts[index] += 2
    end
  end

  def reply(bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    BareRing.write(writer, buffer) while BareRing.read(reader, bytes, buffer)
  end
end
