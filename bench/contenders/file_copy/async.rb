# frozen_string_literal: true

require_relative "_files"

class AsyncCopy < Bench::AsyncContender
  include CopiesStream

  about "a task, IO.copy_stream"
  on_both_selectors

  private

  def start(stint, parent)
    parent.async { |task| keep_copying(stint) { task.yield } }
  end
end
