# frozen_string_literal: true

require_relative "../test_helper"

class ThrottlerTest < RotaTest
  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

  def starts(throttler, count)
    Array.new(count) { throttler.process { now } }
  end

  # Never early is a promise; how late is the machine's affair, which may also stop a block that has been
  # started before it looks at the clock. So all are compared with a moment before the first.
  def assert_spaced(interval)
    before = now
    yield.each_with_index { |time, index| assert_operator time - before, :>=, index * interval * 0.999 }
  end

  def test_starts_are_spaced
    Rota.run { assert_spaced(0.005) { starts(Rota::Throttler.new(200), 4) } }
    Rota.run { assert_spaced(0.005) { starts(Rota::Throttler.new(rate: 200), 4) } }
    Rota.run { assert_spaced(0.005) { starts(Rota::Throttler.new(interval: 0.005), 4) } }
  end

  def test_no_burst_after_a_pause
    Rota.run do
      throttler = Rota::Throttler.new(200)
      throttler.process { Rota.sleep(0.03) }
      assert_spaced(0.005) { starts(throttler, 4) }
    end
  end

  def test_tasks_share_it_in_order
    Rota.run do
      throttler = Rota::Throttler.new(interval: 0.002)
      times = []
      assert_spaced(0.002) do
        tasks = Array.new(4) { |i| Rota.spin { throttler.process { times << now and i } } }
        assert_equal [0, 1, 2, 3], tasks.map(&:await)
        times
      end
    end
  end

  def test_who_is_cancelled_uses_nothing_up
    Rota.run do
      throttler = Rota::Throttler.new(interval: 0.01)
      throttler.process { nil }
      waiting = Rota.spin { throttler.process { flunk } }
      Rota.snooze
      waiting.terminate
      waiting.await
      started = now
      throttler.process { assert_operator now - started, :<, 0.1 }
    end
  end

  def test_without_a_loop
    assert_spaced(0.002) { Thread.new { starts(Rota::Throttler.new(500), 3) }.value }
  end

  def test_arguments
    assert_raises(ArgumentError) { Rota::Throttler.new }
    assert_raises(ArgumentError) { Rota::Throttler.new(1, interval: 1) }
    assert_raises(ArgumentError) { Rota::Throttler.new(0) }
    assert_raises(ArgumentError) { Rota::Throttler.new(rate: -1) }
    assert_raises(TypeError) { Rota::Throttler.new("1") }
    assert_raises(ArgumentError) { Rota::Throttler.new(1).process }
    assert_in_delta 0.5, Rota::Throttler.new(2).interval
  end
end
