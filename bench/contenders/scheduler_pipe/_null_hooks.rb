# frozen_string_literal: true

# What Fiber.set_scheduler asks for, and a floor does not need.
module NullHooks
  def io_wait(_io, events, _timeout) = events
  def block(*) = nil
  def unblock(*) = nil
  def kernel_sleep(*) = nil
  def fiber_interrupt(*) = nil
  def close = nil
end
