# frozen_string_literal: true

require_relative "../test_helper"

class SelectTest < RotaTest
  def test_a_failure_that_a_shield_holds_back_is_raised_once
    Rota.run do
      task = Rota.spin { raise KeyError }
      Rota.shield do
        Rota.snooze
        assert_raises(KeyError) { Rota.select(task) }
      end
    end
  end

  def test_the_failure_of_a_loser_of_the_same_turn_goes_to_the_parent
    Rota.run do
      good, bad = Rota.spin { 1 }, Rota.spin { raise KeyError }
      assert_equal [good, 1], Rota.select(good, bad)
      assert_raises(KeyError) { Rota.snooze }
    end
  end

  def test_the_first_task_to_end
    Rota.run do
      slow = Rota.spin { Rota.sleep }
      fast = Rota.spin { Rota.sleep(0.002); :fast }
      assert_equal [fast, :fast], Rota.select(slow, fast)
      assert_predicate slow, :alive?
      slow.stop
    end
  end

  def test_a_task_that_failed_raises
    Rota.run do
      bad = Rota.spin { Rota.sleep(0.001); raise KeyError }
      assert_raises(KeyError) { Rota.select(bad, Rota::Queue.new) }
    end
  end

  def test_what_is_ready_already_wins_in_order
    Rota.run do
      first, second = Rota::Queue.new([1]), Rota::Queue.new([2])
      assert_equal [first, 1], Rota.select(first, second)
      assert_equal [second, 2], Rota.select(first, second)
    end
  end

  def test_losers_are_left_untouched
    Rota.run do
      queue, event = Rota::Queue.new, Rota::Event.new
      Rota.spin { Rota.sleep(0.001); event.signal(:now); queue << :later }
      assert_equal [event, :now], Rota.select(queue, event)
      Rota.snooze
      assert_equal 1, queue.size
      assert_equal 0, queue.num_waiting
    end
  end

  # Two things become ready in the same turn: one is taken, the other stays for the next.
  def test_two_in_one_turn
    Rota.run do
      a, b = Rota::Queue.new, Rota::Queue.new
      100.times do |n|
        pusher = Rota.spin { a << n; b << n }
        source, value = Rota.select(a, b)
        assert_equal [a, n], [source, value]
        pusher.await
        assert_equal n, b.pop
      end
    end
  end

  def test_an_item_for_a_cancelled_select_is_not_lost
    Rota.run do
      queue = Rota::Queue.new
      got = 0
      200.times do
        task = Rota.spin { Rota.select(queue, Rota::Event.new); got += 1 }
        Rota.snooze
        queue << 1
        task.stop
        task.await
        got += queue.shift_all.size
      end
      assert_equal 200, got
    end
  end

  def test_readable_ios
    Rota.run do
      reader, writer = IO.pipe
      assert_nil Rota.select(reader, timeout: 0.002)
      Rota.spin { Rota.loop.write(writer, "x") }
      source, events = Rota.select(Rota::Queue.new, reader)
      assert_same reader, source
      assert_equal 1, events & 1
      assert_equal "x", Rota.loop.read(reader, 1)
    ensure
      [reader, writer].each(&:close)
    end
  end

  def test_the_timeout
    Rota.run do
      assert_nil Rota.select(Rota::Queue.new, timeout: 0.001)
      assert_nil Rota.select(timeout: 0.001)
    end
  end

  def test_bad_sources
    Rota.run do
      assert_raises(ArgumentError) { Rota.select }
      assert_raises(TypeError) { Rota.select(Object.new) }
    end
  end

  def test_a_closed_queue_is_ready
    Rota.run do
      queue = Rota::Queue.new
      Rota.spin { queue.close }
      assert_equal [queue, nil], Rota.select(queue)
    end
  end

  def test_an_interrupt_leaves_every_line
    Rota.run do
      queue, event = Rota::Queue.new, Rota::Event.new
      reader, writer = IO.pipe
      assert_nil(Rota.move_on_after(0.002) { Rota.select(queue, event, reader) })
      assert_equal 0, queue.num_waiting
      event.signal(:latched)
      assert_equal :latched, event.await
    ensure
      [reader, writer].each(&:close)
    end
  end
end
