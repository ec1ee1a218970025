# frozen_string_literal: true

require_relative "../pairs/_on_io"

class ThreadSchedulerPipe < Bench::ThreadContender
  include PairsOnIO

  about "no scheduler, two threads per pair"

  private

  def start(stint)
    Array.new(stint[:pairs]) do |index|
      near, far = Ends.open("pipe")
      stint.counts[index] = 0
      [Thread.new { serve(stint, index, *near) }, Thread.new { reply(stint[:bytes], *far) }]
    end
  end
end
