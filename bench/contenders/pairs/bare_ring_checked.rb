# frozen_string_literal: true

require_relative "_bare_ring"

# With what no runtime may leave out.
class BareRingCheckedPairs < Bench::SequentialContender
  include OnBareRing

  label "bare ring, checked"
  about "the same as bare ring, on IO objects: they are asked, Strings are locked, the switch is protected"

  private

  def ring = BareRing::Checked
  def ends(transport) = Ends.open(transport)
end
