# frozen_string_literal: true

require_relative "../pairs/_ends"

# Each message is written and read at once by the only thread, so nobody ever waits.
class SequentialSchedulerPipe < Bench::SequentialContender
  about "no scheduler, one thread that writes to and reads from each pipe in turn"

  private

  def prepare(stint)
    @ways = Array.new(stint[:pairs] * 2) { IO.pipe.each { |io| io.sync = true } }
    @message = "x" * stint[:bytes]
    @buffer = String.new(capacity: stint[:bytes])
    @rounds = (100 / @ways.size) + 1
  end

  def bounce(stint)
    @rounds.times do
      @ways.each do |reader, writer|
        writer.write(@message)
        reader.readpartial(stint[:bytes], @buffer)
      end
    end
    stint.counts[0] += @rounds * @ways.size
  end
end
