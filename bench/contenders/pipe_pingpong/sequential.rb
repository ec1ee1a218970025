# frozen_string_literal: true

# No concurrency at all: each message is written and read at once by the only thread, so nobody ever
# waits. It is the floor of what Ruby's own IO methods cost.
class SequentialPipes < Bench::RubyContender
  CHUNK = 100

  label "sequential Ruby"
  about "one thread that writes and reads each pipe in turn, syswrite and sysread with a buffer"

  def run(stint)
    @pipes = Array.new(stint[:pairs] * 2) { IO.pipe }
    @message = "x" * stint[:bytes]
    @buffer = String.new(capacity: stint[:bytes])
    stint.counts[0] = 0
    rounds = (CHUNK / @pipes.size) + 1
    bounce(rounds, stint) while stint.goes_on?
  end

  private

  def bounce(rounds, stint)
    rounds.times do
      @pipes.each do |reader, writer|
        writer.syswrite(@message)
        reader.sysread(stint[:bytes], @buffer)
      end
    end
    stint.counts[0] += rounds * @pipes.size
  end
end
