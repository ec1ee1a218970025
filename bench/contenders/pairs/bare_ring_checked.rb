# frozen_string_literal: true

require_relative "_ends"
require_relative "_led"

# The same as bare_ring, with what no runtime may leave out: IOs that are asked, Strings that are locked, a
# switch that what Ruby raises does not unwind.
class BareRingCheckedPairs < Bench::SequentialContender
  include LedPairs

  needs Bench::Need.floor("bare_ring")
  label "bare ring, checked"
  about "the same as bare ring, on IO objects: they are asked, Strings are locked, the switch is protected"

  def set_up = require(Bench::Floor.extension("bare_ring"))

  def run(stint)
    @home = Fiber.current
    sides = Array.new(stint[:pairs]) { Ends.open(stint[:transport]) }
    fibers = sides.each_with_index.flat_map { |(near, far), index| pair(stint, index, near, far) }
    stint.stats { BareRing.stats }
    BareRing.run(sides.flatten.map(&:fileno), fibers)
  end

  private

  def serve(stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    while yield(stint.counts[index])
      BareRing.write_checked(writer, message)
      BareRing.read_checked(reader, stint[:bytes], buffer)
      stint.counts[index] += 2
    end
  end

  def reply(bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    BareRing.write_checked(writer, buffer) while BareRing.read_checked(reader, bytes, buffer)
  end
end
