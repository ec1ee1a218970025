# frozen_string_literal: true

require_relative "_least_hooks"

# With what no scheduler may leave out.
class LeastHooksCheckedPipe < Bench::SequentialContender
  include OnLeastHooks

  label "least hooks, checked"
  about "the same with a queue of fibers that may come and go; arguments, IO#timeout, interrupts and a closed IO " \
        "are looked at, and the switch is protected"

  private

  def hooks = LeastHooks::Checked

  def begin_with(scheduler)
    @fibers.each { |fiber| scheduler.queue(fiber) }
    scheduler.enter_first
  end
end
