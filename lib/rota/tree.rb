# frozen_string_literal: true

module Rota
  class << self
    # All tasks of this thread, a line each, below their parents: state, place of the spin, what it
    # waits for and since when.
    #
    # @param task [Rota::Task] where to begin; the root task by default
    # @return [String]
    def tree(task = Task.__root)
      lines = []
      each_below(task, 0) { |member, depth| lines << ("  " * (depth + 1)) + describe(member) }
      lines.join("\n")
    end

    private

    # Depth first, without recursion: a tree may be deeper than the stack.
    def each_below(task, depth)
      pending = [[task, depth]]
      until pending.empty?
        member, level = pending.pop
        yield member, level
        pending.concat(member.children.reverse.map { |child| [child, level + 1] })
      end
    end

    def describe(task)
      name = task.tag.nil? ? "task" : task.tag.inspect
      wait = task.waits_for && format(" for %s since %.3f s", task.waits_for, task.waits_since)
      "#{name} #{task.state}#{wait}, spun at #{task.location}"
    end
  end
end
