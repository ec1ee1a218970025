# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Rota.shield: clean-up that must finish.
class ShieldTest < RotaTest
  def test_the_value_of_the_block
    assert_equal 1, Rota.run { Rota.shield { 1 } }
  end

  def test_holds_back_an_exception_until_the_block_ends
    got = Rota.run do
      seen = []
      task = waiting { Rota.shield { Rota.suspend.tap { seen << :finished } } && seen << :never }
      task.raise(KeyError)
      Rota.snooze
      task.schedule
      seen << rescued(KeyError, :raised) { task.await }
    end
    assert_equal %i[finished raised], got
  end

  def test_holds_back_a_deadline
    got = Rota.run do
      seen = []
      seen << Rota.move_on_after(0.001, with_value: :late) { Rota.shield { Rota.sleep(0.005) && seen << :finished } }
    end
    assert_equal %i[finished late], got
  end

  def test_holds_back_stop
    got = Rota.run do
      seen = []
      task = waiting { Rota.shield { Rota.sleep(0.003) && seen << :finished } }
      seen << task.stop(:stopped).await
    end
    assert_equal %i[finished stopped], got
  end

  def test_nests
    got = Rota.run do
      seen = []
      task = waiting do
        Rota.shield do
          Rota.shield { Rota.suspend }
          Rota.snooze
          seen << :finished
        end
      end
      task.raise(KeyError)
      task.schedule
      seen << rescued(KeyError, :raised) { task.await }
    end
    assert_equal %i[finished raised], got
  end

  def test_of_an_ensure_block_that_is_hit_twice
    got = Rota.run do
      seen = []
      task = waiting { suspend_ensuring { Rota.shield { Rota.sleep(0.003) && seen << :finished } } }
      task.raise(KeyError, "one")
      Rota.snooze
      task.raise(KeyError, "two")
      seen << caught(KeyError) { task.await }.message
    end
    # as in any ensure block, the later exception takes the place of the first
    assert_equal [:finished, "two"], got
  end

  def test_an_exception_of_the_block_leaves_it
    Rota.run { assert_raises(KeyError) { Rota.shield { raise KeyError } } }
  end

  def test_is_over_after_an_exception
    Rota.run do
      task = waiting { rescued(KeyError, nil) { Rota.shield { raise KeyError } } || Rota.suspend }
      task.raise(IOError)
      assert_raises(IOError) { task.await }
    end
  end

  # A clean-up may limit itself.
  def test_a_deadline_set_inside_of_it_fires
    assert_equal :late, Rota.run { Rota.shield { Rota.move_on_after(0.001, with_value: :late) { Rota.sleep } } }
  end

  def test_a_shield_inside_of_that_deadline_holds_it_back
    got = Rota.run do
      seen = []
      Rota.shield {
        seen << Rota.move_on_after(0.001, with_value: :late) {
          Rota.shield {
            Rota.sleep(0.005) && seen << :finished
          }
        }
      }
    end
    assert_equal %i[finished late], got
  end

  def test_a_scope_inside_of_it_hears_of_its_tasks
    Rota.run {
      assert_raises(KeyError) {
        Rota.shield {
          Rota.spin_scope {
            Rota.spin {
              raise KeyError
            } && Rota.sleep
          }
        }
      }
    }
  end

  def test_the_failure_of_a_task_spun_before_is_held_back
    got = Rota.run do
      Rota.spin { Rota.snooze && nil || raise(KeyError) }
      seen = []
      seen << rescued(KeyError, :raised) { Rota.shield { Rota.sleep(0.003) && seen << :finished } }
    end
    assert_equal %i[finished raised], got
  end

  # Nothing can ever happen any more, so holding it back would be a hang in silence.
  def test_does_not_hold_back_a_deadlock
    Rota.run { assert_raises(Rota::Deadlock) { Rota.shield { Rota.suspend } } }
  end
end
