# frozen_string_literal: true

require_relative "_files"

class PolyphonyCopy < Bench::PolyphonyContender
  include CopiedFiles

  about "a fiber, IO.double_splice, which goes through a pipe of its own"

  private

  def start(stint)
    spin { keep_copying(stint) { snooze } }
  end

  def copy = IO.double_splice(@source, @target)
end
