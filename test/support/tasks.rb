# frozen_string_literal: true

# Little steps that tests of tasks are made of.
module Tasks
  # What the block raises of these classes, else its value.
  def caught(*classes)
    yield
  rescue *classes => e
    e
  end

  # The same in one word: +word+ instead of the exception.
  def rescued(error_class, word)
    yield
  rescue error_class
    word
  end

  # Waits until somebody ends the task; the block is its clean-up.
  def suspend_ensuring
    Rota.suspend
  ensure
    yield
  end

  # A task that waits already when this returns.
  def waiting(tag = nil, &block)
    block ||= proc { Rota.suspend }
    Rota.spin(tag, &block).tap { Rota.snooze }
  end

  # A number from /proc/self/status, in KiB.
  def memory(field = "VmRSS")
    File.foreach("/proc/self/status").grep(/^#{field}:/).first[/\d+/].to_i
  end

  def memory_maps = File.foreach("/proc/self/maps").count
end
