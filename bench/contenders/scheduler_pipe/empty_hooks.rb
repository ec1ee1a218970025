# frozen_string_literal: true

require_relative "../pairs/_ends"
require_relative "_null_hooks"

# What Ruby alone takes for a message behind a scheduler: core's way to its hooks and back, and one switch.
# Nothing is read or written. Any scheduler does this, and what a C program does.
class EmptyHooks < Bench::SequentialContender
  ROUNDS = 100

  # The hooks that are called are one expression each.
  class Scheduler
    include NullHooks

    attr_writer :fibers

    def initialize
      @at = 0
    end

    def io_write(_io, buffer, _length, _offset = 0) = buffer.size

    def enter_first = @fibers.first.transfer

    # Whoever reads waits until it is its turn again.
    def io_read(_io, buffer, _length, _offset = 0)
      @at = @fibers[@at + 1] ? @at + 1 : 0
      @fibers[@at].transfer
      buffer.size
    end
  end

  label "empty hooks, no I/O"
  about "a scheduler that enters the next fiber at each IO#readpartial, and does nothing at IO#write"

  def run(stint)
    home = Fiber.current
    Fiber.set_scheduler(scheduler = Scheduler.new)
    scheduler.fibers = [Fiber.new { lead(stint, home) }] +
                       Array.new((stint[:pairs] * 2) - 1) { |index| Fiber.new { follow(stint, index + 1) } }
    scheduler.enter_first
  end

  private

  def lead(stint, home)
    talk(stint, 0) { |round| (round % ROUNDS).positive? || stint.goes_on? }
    home.transfer
  end

  def follow(stint, index)
    talk(stint, index) { true }
  end

  def talk(stint, index)
    (reader, writer), = Ends.open("pipe")
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    stint.counts[index] = 0
    while yield(stint.counts[index])
      writer.write(message)
      reader.readpartial(stint[:bytes], buffer)
      stint.counts[index] += 1
    end
  end
end
