# frozen_string_literal: true

require_relative "_bare_ring"

# Nothing is checked, nobody can be interrupted.
class BareRingPairs < Bench::SequentialContender
  include OnBareRing

  label "bare ring"
  about "two fibers per pair, a read and a write in C that fill an entry and enter the next fiber; nothing else"

  private

  def ring = BareRing
  def ends(transport) = Ends.open_numbers(transport)
end
