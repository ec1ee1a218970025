# frozen_string_literal: true

require_relative "_on_io"

class AsyncPairs < Bench::AsyncContender
  include PairsOnIO

  about "two tasks per pair, IO#readpartial with a buffer and IO#write"
  on_both_selectors

  private

  def start(stint, task)
    stint[:pairs].times do |index|
      near, far = Ends.open(stint[:transport])
      stint.counts[index] = 0
      task.async { serve(stint, index, *near) }
      task.async { reply(stint[:bytes], *far) }
    end
  end
end
