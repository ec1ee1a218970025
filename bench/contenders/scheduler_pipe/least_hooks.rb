# frozen_string_literal: true

require_relative "_least_hooks"

# What Ruby and the kernel take for a message behind a scheduler: core's way to its hooks and back, the two
# system calls, and one switch to a fiber that is known. Any scheduler that makes these calls does this.
class LeastHooksPipe < Bench::SequentialContender
  include OnLeastHooks

  label "least hooks"
  about "hooks in C: IO#readpartial enters the next fiber of a circle, and makes one call, as IO#write does"

  private

  def hooks = LeastHooks

  def begin_with(scheduler)
    scheduler.circle = @fibers
    scheduler.enter_next
  end
end
