# frozen_string_literal: true

require_relative "../pairs/_on_io"

# The pairs as any program makes them that knows nothing of its scheduler.
module ScheduledPairs
  include PairsOnIO

  private

  def start(stint, *)
    stint[:pairs].times do |index|
      near, far = Ends.open("pipe")
      stint.counts[index] = 0
      Fiber.schedule { serve(stint, index, *near) }
      Fiber.schedule { reply(stint[:bytes], *far) }
    end
  end
end
