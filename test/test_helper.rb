# frozen_string_literal: true

require "rbconfig"
require_relative "support/warnings_raise"

# `ruby -Itest test/rota/x_test.rb` works in a working copy; beside an installed gem there is no lib.
library = File.expand_path("../lib", __dir__)
$LOAD_PATH.unshift(library) if File.directory?(library) && !$LOAD_PATH.include?(library)

require "minitest/autorun"
require "rota"
require_relative "support/watchdog"
require_relative "support/leaks"
require_relative "support/child_process"
require_relative "support/sockets"
require_relative "support/tasks"

# Minitest starts threads for parallel tests even when there are none; a process with other threads
# takes other paths in the loop.
Minitest.parallel_executor = Class.new { def shutdown = nil }.new

# Ruby opens descriptors of its own for the first thread: now, not in the middle of a test.
Thread.new { sleep 0.001 }.join

require_relative "support/stress"

if ENV["ROTA_COMPACT"] == "1"
  # Room to move everything into: one keyword up to Ruby 3.1, another since.
  room = GC.method(:verify_compaction_references).parameters.map(&:last) & %i[expand_heap]
  GC.verify_compaction_references(:toward => :empty, room.first || :double_heap => true)
  GC.auto_compact = true
end

# The base of all tests. A test that passes has also left nothing behind.
class RotaTest < Minitest::Test
  include ChildProcess
  include Sockets
  include Tasks

  # Seconds that one test of the class may take.
  def self.time_limit(seconds = nil)
    @time_limit = seconds if seconds
    @time_limit || (superclass.respond_to?(:time_limit) ? superclass.time_limit : 60)
  end

  def before_setup
    super
    @threads_before = Thread.list
    @descriptors_before = Leaks.descriptors
    Watchdog.arm("#{self.class}##{name}", self.class.time_limit)
  end

  def after_teardown
    super
    close_sockets
    Leaks.end_timeout_thread
    busy = Leaks.end_loops
    assert_nothing_left(busy) if failures.empty? && !skipped?
  ensure
    Watchdog.disarm
  end

  # For one step of a test that might hang: reports all threads and the tree of tasks.
  def with_timeout(seconds, &block)
    Watchdog.with_timeout(seconds, "#{self.class}##{name}", &block)
  end

  private

  def assert_nothing_left(busy)
    assert_empty busy, "the loop is not at rest"
    assert_empty Leaks.new_threads(@threads_before), "threads were left"
    assert_empty Leaks.new_descriptors(@descriptors_before), "descriptors were left open"
  end
end
