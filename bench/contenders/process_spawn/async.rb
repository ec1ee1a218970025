# frozen_string_literal: true

class AsyncProcesses < Bench::AsyncContender
  about "a task per actor, Process.spawn and Process.wait"
  on_both_selectors

  private

  def start(stint, task)
    stint[:tasks].times { |index| task.async { run_children(stint, index) } }
  end

  def run_children(stint, index)
    stint.counts[index] = 0
    stint.timed(index) { Process.wait(Process.spawn("true")) } until stint.over?
  end
end
