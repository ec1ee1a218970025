# frozen_string_literal: true

require_relative "_ends"

# Each message is written and read at once by the only thread, so nobody ever waits.
class SequentialPairs < Bench::SequentialContender
  CHUNK = 100

  about "one thread that writes to and reads from each in turn, syswrite and sysread with a buffer"

  private

  def prepare(stint)
    @ways = Array.new(stint[:pairs]) { crossed(*Ends.open(stint[:transport])) }.flatten(1)
    @message = "x" * stint[:bytes]
    @buffer = String.new(capacity: stint[:bytes])
    @rounds = (CHUNK / @ways.size) + 1
  end

  # What is written on one side is read on the other.
  def crossed(near, far) = [[far.first, near.last], [near.first, far.last]]

  def bounce(stint)
    @rounds.times do
      @ways.each do |reader, writer|
        writer.syswrite(@message)
        reader.sysread(stint[:bytes], @buffer)
      end
    end
    stint.counts[0] += @rounds * @ways.size
  end
end
