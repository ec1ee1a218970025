# frozen_string_literal: true

# Two fibers for each pair, with no runtime to end them: the first of all asks now and then whether the time
# is up, and enters the fiber that waits for that (`@home`). The contender has `serve` and `reply`.
module LedPairs
  ROUNDS = 10

  private

  def pair(stint, index, near, far)
    stint.counts[index] = 0
    [Fiber.new { index.zero? ? lead(stint, *near) : serve(stint, index, *near) { true } },
     Fiber.new { reply(stint[:bytes], *far) }]
  end

  def lead(stint, reader, writer)
    serve(stint, 0, reader, writer) { |count| (count % ROUNDS).positive? || stint.goes_on? }
    @home.transfer
  end
end
