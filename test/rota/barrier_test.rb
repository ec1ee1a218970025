# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

class BarrierTest < RotaTest
  include Sync

  def setup
    super
    @barrier = Rota::Barrier.new
  end

  def test_waits_for_the_end_of_a_task_not_only_of_its_block
    Rota.run do
      ended = false
      gate = Rota::Event.new
      @barrier.spin do
        Rota.spin { begin Rota.suspend ensure (Rota.shield { gate.await }; ended = true) end }
        Rota.snooze
      end
      3.times { Rota.snooze }
      Rota.spin { gate.signal }
      @barrier.wait
      assert ended
      assert_predicate @barrier, :empty?
    end
  end

  def test_stop_by_one_of_its_tasks_ends_all_and_wait_waits_for_them
    Rota.run do
      log = []
      @barrier.spin { Rota.snooze; @barrier.stop }
      2.times { @barrier.spin { begin Rota.suspend ensure (Rota.sleep(0.001); log << :ended) end } }
      @barrier.wait
      assert_equal %i[ended ended], log
      assert_predicate @barrier, :empty?
    end
  end

  def test_waits_for_all_also_for_those_spun_meanwhile
    Rota.run do
      log = []
      3.times do |i|
        @barrier.spin(:outer) do
          Rota.sleep(0.001 * i)
          @barrier.spin { log << i }
          Rota.snooze
        end
      end
      assert_equal 3, @barrier.size
      assert_same @barrier, @barrier.wait
      assert_equal [0, 1, 2], log.sort
      assert_predicate @barrier, :empty?
      assert_same @barrier, @barrier.wait
    end
  end

  def test_spin_gives_a_task
    Rota.run do
      task = @barrier.spin(:tag) { 5 }
      assert_equal [task], @barrier.tasks
      assert_equal [:tag, 5], [task.tag, task.await]
      assert_predicate @barrier, :empty?
    end
    assert_raises(ArgumentError) { @barrier.spin }
  end

  def test_a_failure_is_raised_once_and_the_others_go_on
    Rota.run do
      log = []
      @barrier.spin do
        Rota.snooze
        log << :slow
      end
      @barrier.spin { raise IOError }
      assert_raises(IOError) { @barrier.wait }
      assert_equal 1, @barrier.size + log.size
      @barrier.wait
      assert_equal [:slow], log
    end
  end

  def test_a_failure_reaches_who_waits_though_it_is_not_the_parent
    Rota.run do
      parent = Rota.spin do
        @barrier.spin { Rota.suspend }
        failing = @barrier.spin { raise IOError }
        begin
          failing.await
        rescue StandardError
          nil
        end
        Rota.suspend
      end
      snooze_until { @barrier.size == 2 && @barrier.tasks.last.dead? }
      @barrier.tasks.first.schedule
      assert_raises(IOError) { @barrier.wait }
      parent.terminate
    end
  end

  def test_stop
    Rota.run do
      log = []
      @barrier.spin do
        Rota.suspend
      ensure
        log << :cleaned
      end
      Rota.snooze
      unborn = @barrier.spin { flunk }
      assert_same @barrier, @barrier.stop
      assert_equal [:cleaned], log
      assert_predicate unborn, :dead?
      assert_predicate @barrier, :empty?
    end
  end

  def test_stop_raises_what_a_task_failed_with_on_its_way_out_when_all_have_ended
    Rota.run do
      tasks = Array.new(2) do
        @barrier.spin do
          Rota.suspend
        ensure
          raise IOError, "in the clean-up"
        end
      end
      Rota.snooze
      assert_raises(IOError) { @barrier.stop }
      assert tasks.all?(&:dead?)
    end
  end

  def test_a_wait_that_is_cancelled_can_be_taken_up_again
    Rota.run do
      task = @barrier.spin { Rota.suspend }
      assert_nil(Rota.move_on_after(0.001) { @barrier.wait })
      task.schedule
      @barrier.wait
      assert_predicate task, :dead?
    end
  end
end
