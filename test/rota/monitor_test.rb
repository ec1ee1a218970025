# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"
require "monitor"

class MonitorTest < RotaTest
  include Sync

  CASES = {
    enter: ->(m) { [m.enter, m.enter, m.mon_locked?, m.mon_owned?, m.exit, m.mon_locked?, m.exit, m.mon_locked?] },
    exit: lambda(&:exit),
    mon_exit: lambda(&:mon_exit),
    check: lambda(&:mon_check_owner),
    check_inside: ->(m) { m.synchronize { m.mon_check_owner } },
    try: ->(m) { [m.try_enter, m.mon_try_enter, m.try_mon_enter, m.exit, m.mon_exit, m.exit, m.mon_owned?] },
    synchronize: ->(m) { m.synchronize { m.mon_synchronize { 5 } } },
    no_block: lambda(&:synchronize),
    raising: lambda { |m|
      [begin
        m.synchronize { raise IOError }
      rescue StandardError
        1
      end, m.mon_locked?]
    },
    foreign: ->(m) { m.enter && 0 or Thread.new { [m.mon_locked?, m.mon_owned?, m.try_enter] }.value },
    foreign_exit: lambda { |m|
      m.enter or Thread.new do
        Thread.current.report_on_exception = false
        m.exit
      end.value
    },
    wait_outside: ->(m) { m.new_cond.wait },
    signal_outside: ->(m) { m.new_cond.signal },
    broadcast_outside: ->(m) { m.new_cond.broadcast },
    wait: ->(m) { m.synchronize { m.new_cond.wait(0.001) } },
    wait_for_nothing: ->(m) { m.synchronize { m.new_cond.wait_while { false } } },
    until_true: ->(m) { m.synchronize { m.new_cond.wait_until { true } } },
    signalled: lambda { |m|
      condition = m.new_cond
      thread = Thread.new { m.synchronize { m.synchronize { [condition.wait(5), m.mon_owned?] } } }
      sleep 0.001 until thread.stop?
      m.synchronize { condition.signal }
      thread.value
    }
  }.freeze

  def test_as_ruby_monitor
    CASES.each do |name, work|
      expected = outcome { work[::Monitor.new] }
      assert_as expected, outcome { work[Rota::Monitor.new] }, "#{name} on a thread"
      assert_as expected, Rota.run { outcome { work[Rota::Monitor.new] } }, "#{name} in a task"
    end
    assert_empty ::Monitor.instance_methods(false) - Rota::Monitor.instance_methods(false)
  end

  def test_a_bounded_buffer
    Rota.run do
      monitor = Rota::Monitor.new
      filled, emptied = Array.new(2) { monitor.new_cond }
      buffer, got = [], []
      consumers = Array.new(3) do
        Rota.spin do
          10.times do
            monitor.synchronize do
              filled.wait_while { buffer.empty? }
              got << buffer.shift
              emptied.signal
            end
          end
        end
      end
      30.times do |i|
        monitor.synchronize do
          emptied.wait_until { buffer.size < 2 }
          buffer << i
          filled.signal
        end
      end
      consumers.each(&:await)
      assert_equal (0...30).to_a, got
    end
  end

  def test_released_at_the_end_of_the_task
    Rota.run do
      monitor = Rota::Monitor.new
      Rota.spin { 3.times { monitor.enter } }.await
      assert monitor.try_enter
    end
  end

  def test_a_wait_restores_the_depth_when_it_is_interrupted
    Rota.run do
      monitor = Rota::Monitor.new
      condition = monitor.new_cond
      task = Rota.spin do
        monitor.synchronize { monitor.synchronize { condition.wait } }
      end
      snooze_until { task.waits_for == "a condition" }
      refute monitor.mon_locked?
      task.terminate
      task.await
      refute monitor.mon_locked?
    end
  end
end
