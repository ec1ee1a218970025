# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Rota.spin_scope.
class ScopeTest < RotaTest
  def test_the_value_of_the_block
    assert_equal(4, Rota.run { Rota.spin_scope { 4 } })
  end

  def test_waits_for_all_tasks_spun_inside
    got = Rota.run do
      seen = []
      Rota.spin_scope do
        3.times do |i|
          Rota.spin do
            Rota.snooze
            seen << i
          end
        end
      end
      seen
    end
    assert_equal [0, 1, 2], got
  end

  def test_does_not_wait_for_tasks_spun_before
    got = Rota.run do
      before = Rota.spin { Rota.suspend }
      Rota.spin_scope { Rota.spin { Rota.snooze } }
      before.alive?.tap { before.stop }
    end
    assert got
  end

  def test_the_block_runs_in_the_current_task
    assert_same(*Rota.run { |task| [task, Rota.spin_scope { Rota.current }] })
  end

  # Request state must not vanish because a handler uses a scope.
  def test_the_block_sees_the_fiber_locals
    assert_equal(1, Rota.run do
      Thread.current[:rota_test] = 1
      Rota.spin_scope { Thread.current[:rota_test] }
    end)
  end

  def test_raises_the_failure_of_the_block
    Rota.run { assert_raises(KeyError) { Rota.spin_scope { raise KeyError } } }
  end

  def test_a_failing_block_ends_its_tasks
    got = Rota.run do
      seen = []
      begin
        Rota.spin_scope do
          Rota.spin { suspend_ensuring { seen << :ended } }
          Rota.snooze
          raise KeyError
        end
      rescue KeyError
        seen << :raised
      end
      seen
    end
    assert_equal %i[ended raised], got
  end

  def test_the_first_failure_of_a_task_ends_the_others
    got = Rota.run do
      seen = []
      begin
        Rota.spin_scope do
          Rota.spin { suspend_ensuring { seen << :ended } }
          Rota.spin do
            Rota.snooze
            raise KeyError
          end
        end
      rescue KeyError
        seen << :raised
      end
      seen
    end
    assert_equal %i[ended raised], got
  end

  def test_the_first_failure_interrupts_the_block
    Rota.run do
      assert_raises(KeyError) do
        Rota.spin_scope do
          Rota.spin { raise KeyError }
          Rota.sleep
        end
      end
    end
  end

  def test_further_failures_are_suppressed
    error = Rota.run do
      Rota.spin_scope do
        Rota.spin { suspend_ensuring { raise IOError, "two" } }
        Rota.spin { suspend_ensuring { raise IOError, "three" } }
        Rota.spin do
          Rota.snooze
          raise KeyError, "one"
        end
      end
    rescue KeyError => e
      e
    end
    assert_equal %w[two three], error.suppressed.map(&:message)
  end

  def test_failures_in_the_same_turn_are_suppressed
    error = Rota.run do
      Rota.spin_scope { 3.times { |i| Rota.spin { raise KeyError, i.to_s } } }
    rescue KeyError => e
      e
    end
    assert_equal ["0", %w[1 2]], [error.message, error.suppressed.map(&:message)]
  end

  def test_nobody_else_hears_of_its_failures
    got = Rota.run do
      rescued(KeyError, nil) { Rota.spin_scope { 3.times { Rota.spin { raise KeyError } } } }
      Rota.sleep(0.001)
      :undisturbed
    end
    assert_equal :undisturbed, got
  end

  def test_an_awaited_failure_does_not_end_the_scope
    got = Rota.run do
      Rota.spin_scope do
        failing = Rota.spin { raise KeyError }
        rescued(KeyError, :handled) { failing.await }
      end
    end
    assert_equal :handled, got
  end

  def test_break_leaves_it_and_ends_its_tasks_first
    got = Rota.run do
      seen = []
      value = Rota.spin_scope do
        Rota.spin { suspend_ensuring { seen << :ended } }
        Rota.snooze
        break :value
      end
      seen << value
    end
    assert_equal %i[ended value], got
  end

  def test_throw_leaves_it_and_ends_its_tasks_first
    got = Rota.run do
      seen = []
      value = catch(:out) do
        Rota.spin_scope do
          Rota.spin { suspend_ensuring { seen << :ended } }
          Rota.snooze
          throw :out, :value
        end
      end
      seen << value
    end
    assert_equal %i[ended value], got
  end

  def test_a_failure_in_the_cleanup_after_break_is_the_tasks
    got = Rota.run do
      seen = []
      Rota.spin_scope do
        Rota.spin { suspend_ensuring { raise KeyError } }
        Rota.snooze
        break
      end
      seen << :left
      seen << rescued(KeyError, :told) { Rota.snooze }
      seen
    end
    assert_equal %i[left told], got
  end

  def test_return_leaves_a_method_through_it
    assert_equal(:returned, Rota.run { returns_from_scope })
  end

  def test_a_deadline_around_it_ends_its_tasks_first
    got = Rota.run do
      seen = []
      value = Rota.move_on_after(0.005, with_value: :late) do
        Rota.spin_scope { Rota.spin { suspend_ensuring { seen << :ended } } }
      end
      seen << value
    end
    assert_equal %i[ended late], got
  end

  def test_scopes_nest
    got = Rota.run do
      seen = []
      Rota.spin_scope do
        Rota.spin do
          4.times { Rota.snooze }
          seen << :outer
        end
        Rota.spin_scope do
          Rota.spin do
            Rota.snooze
            seen << :inner
          end
        end
        seen << :between
      end
      seen
    end
    assert_equal %i[inner between outer], got
  end

  def test_the_failure_of_an_outer_scopes_task_leaves_the_inner_scope_too
    got = Rota.run do
      seen = []
      begin
        Rota.spin_scope do
          Rota.spin do
            3.times { Rota.snooze }
            raise KeyError
          end
          Rota.spin_scope { Rota.spin { suspend_ensuring { seen << :inner_ended } } }
        end
      rescue KeyError
        seen << :raised
      end
      seen
    end
    assert_equal %i[inner_ended raised], got
  end

  def test_children_of_a_task_in_a_scope_are_all_its_children
    got = Rota.run do |root|
      before = Rota.spin { Rota.suspend }
      Rota.spin_scope do
        inside = Rota.spin { nil }
        root.children.eql?([before, inside])
      end.tap { before.stop }
    end
    assert got
  end

  def test_scopes_of_many_tasks_at_once
    got = Rota.run do
      tasks = Array.new(50) do |i|
        Rota.spin do
          Rota.spin_scope do
            Array.new(3) do
              Rota.spin do
                Rota.snooze
                i
              end
            end
          end.sum(&:result)
        end
      end
      tasks.map(&:await)
    end
    assert_equal Array.new(50) { |i| i * 3 }, got
  end

  # The enumerator's fiber is dropped in the middle of the block.
  def test_a_scope_that_is_never_left
    got = Rota.run do
      ended = []
      entered = Enumerator.new do |y|
        Rota.spin_scope do
          Rota.spin { suspend_ensuring { ended << 1 } }
          y << 1
        end
      end
      task = Rota.spin do
        entered.next
        Rota.snooze
        entered = nil
        GC.start
        Rota.spin_scope { Rota.spin { 2 }.await }
      end
      [task.await, ended]
    end
    assert_equal [2, [1]], got
  end

  def test_needs_a_block
    Rota.run { assert_raises(ArgumentError) { Rota.spin_scope } }
  end

  private

  def returns_from_scope
    Rota.spin_scope { return :returned }
  end
end
