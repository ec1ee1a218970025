# frozen_string_literal: true

# What Ruby alone takes for a message: nothing is read or written. Any library with the same interface
# does this and what a C program does.
class BareFiberPairs < Bench::RubyContender
  ROUNDS = 100

  label "bare fibers, no I/O"
  about "two fibers per pair; two calls of a C method and one Fiber#transfer stand for a message"

  def run(stint)
    @home = Fiber.current
    @fibers = Array.new(stint[:pairs] * 2) { |index| Fiber.new { index.zero? ? lead(stint) : follow(stint, index) } }
    @fibers.first.transfer
  end

  private

  def lead(stint)
    bounce(stint, 0, ROUNDS) while stint.goes_on?
    @home.transfer
  end

  def follow(stint, index)
    bounce(stint, index, ROUNDS) until stint.over?
  end

  def bounce(stint, index, rounds)
    bytes = stint[:bytes]
    successor = @fibers[index + 1] || @fibers.first
    stint.counts[index] ||= 0
    until rounds.zero?
      bytes.clamp(0, bytes) # as it were the read
      bytes.clamp(0, bytes) # ... and the write
      stint.counts[index] += 1
      rounds -= 1
      successor.transfer
    end
  end
end
