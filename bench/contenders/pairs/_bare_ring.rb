# frozen_string_literal: true

require_relative "_ends"
require_relative "_led"

# What every runtime with io_uring on Ruby does for a message: two calls of a C method, two entries, two
# switches. The contender says whose methods (`ring`), and on what (`sides`).
module OnBareRing
  include LedPairs

  def self.included(contender)
    contender.needs Bench::Need.floor("bare_ring")
  end

  def set_up = require(Bench::Floor.extension("bare_ring"))

  def run(stint)
    @home = Fiber.current
    sides = Array.new(stint[:pairs]) { ends(stint[:transport]) }
    fibers = sides.each_with_index.flat_map { |(near, far), index| pair(stint, index, near, far) }
    stint.stats { BareRing.stats }
    BareRing.run(sides.flatten.map { |one| one.is_a?(IO) ? one.fileno : one }, fibers)
  end

  private

  def serve(stint, index, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    methods = ring
    while yield(stint.counts[index])
      methods.write(writer, message)
      methods.read(reader, stint[:bytes], buffer)
      stint.counts[index] += 2
    end
  end

  def reply(bytes, reader, writer)
    buffer = String.new(capacity: bytes)
    methods = ring
    methods.write(writer, buffer) while methods.read(reader, bytes, buffer)
  end
end
