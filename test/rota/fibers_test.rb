# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Enumerators and fibers of user code in and around tasks.
class FibersTest < RotaTest
  def test_an_enumerator_whose_block_parks
    got = Rota.run { Rota.spin { slow_enumerator(3).then { |e| Array.new(3) { e.next } } }.await }
    assert_equal [0, 1, 2], got
  end

  def test_an_enumerator_in_the_root_task
    got = Rota.run do
      other = Rota.spin { 20.times { Rota.sleep(0.0003) } }
      e = slow_enumerator(3)
      Array.new(3) { e.next }.tap { other.await }
    end
    assert_equal [0, 1, 2], got
  end

  def test_enumerators_of_many_tasks_at_once
    got = Rota.run {
      Array.new(20) {
        Rota.spin {
          slow_enumerator(5).then { |e|
            Array.new(5) {
              e.next
            }.sum
          }
        }
      }.map(&:await)
    }
    assert_equal [10] * 20, got
  end

  def test_zip_of_two_enumerators_that_park
    assert_equal [[0, 0], [1, 1]], Rota.run { slow_enumerator(2).each_entry.zip(slow_enumerator(2)) }
  end

  def test_the_current_task_in_an_enumerator_is_its_callers
    assert_same(*Rota.run { |task| [task, Enumerator.new { |y| y << Rota.current }.next] })
  end

  # A fiber of a task that ends returns into whatever the first fiber has resumed: the enumerator.
  def test_tasks_that_end_while_the_root_is_in_an_enumerator
    got = Rota.run do
      Rota.spin { 5.times { Rota.spin { Fiber.current.instance_variable_set(:@dirty, 1) }.await } }
      slow_enumerator(5).then { |e| Array.new(5) { e.next } }
    end
    assert_equal [0, 1, 2, 3, 4], got
  end

  def test_an_exception_raised_in_a_task_inside_an_enumerator
    got = Rota.run do
      task = waiting { caught(KeyError) { Enumerator.new { |y| y << Rota.suspend }.next } }
      task.raise(KeyError)
      task.await
    end
    assert_instance_of KeyError, got
  end

  def test_fiber_resume_and_yield_inside_a_task
    got = Rota.run do
      Rota.spin do
        fiber = Fiber.new { |x| Rota.sleep(0.001) && Fiber.yield(x + 1) && :end }
        [fiber.resume(1), fiber.resume(2)]
      end.await
    end
    assert_equal [2, :end], got
  end

  def test_resume_of_a_parked_task_is_an_error_for_who_tries
    got = Rota.run do
      task = waiting
      error = caught(FiberError) { task.fiber.resume }
      [error.class, task.schedule(:fine).await]
    end
    assert_equal [FiberError, :fine], got
  end

  # The intruder goes on at once; the wait that it broke into goes on, too.
  def test_transfer_to_a_parked_task_returns
    got = Rota.run do
      task = waiting
      value = Rota.spin { task.fiber.transfer }.await
      [value, task.alive?, task.schedule(:fine).await]
    end
    assert_equal [nil, true, :fine], got
  end

  def test_transfer_to_the_parked_root_task_returns
    got = Rota.run do |root|
      Rota.spin { Rota.snooze || (root.fiber.transfer && nil) || root.schedule(:fine) }
      Rota.suspend
    end
    assert_equal :fine, got
  end

  def test_transfer_to_a_task_that_waits_for_io
    reader, writer = socket_pair
    got = Rota.run do
      task = waiting { Rota.loop.read(reader, 4) }
      5.times { task.fiber.transfer }
      writer.syswrite("data")
      task.await
    end
    assert_equal "data", got
  end

  def test_fiber_raise_on_a_parked_task_is_raised_in_it
    got = Rota.run { waiting { caught(KeyError) { Rota.suspend } }.tap { |task| task.fiber.raise(KeyError) }.await }
    assert_instance_of KeyError, got
  end

  def test_who_calls_fiber_raise_goes_on
    got = Rota.run do
      task = waiting { rescued(KeyError, nil) { Rota.suspend } }
      caller = Rota.spin { task.fiber.raise(KeyError) || :went_on }
      [task.await, caller.await]
    end
    assert_equal [nil, :went_on], got
  end

  def test_fiber_raise_while_a_read_is_in_flight
    reader, writer = socket_pair
    got = Rota.run do
      buffer = +""
      task = waiting { caught(KeyError) { Rota.loop.read(reader, 4, buffer) } }
      Rota.sleep(0.001)
      task.fiber.raise(KeyError)
      error = task.await
      buffer << "not locked"
      writer.syswrite("next")
      [error.class, buffer, Rota.loop.read(reader, 4)]
    end
    assert_equal [KeyError, "not locked", "next"], got
  end

  if Fiber.method_defined?(:kill)
    def test_fiber_kill_of_a_parked_task_ends_it
      got = Rota.run do
        seen = []
        task = waiting { suspend_ensuring { seen << :ensured } }
        task.fiber.kill
        seen << task.await << task.state
      end
      assert_equal [:ensured, nil, :dead], got
    end

    def test_fiber_kill_while_a_read_is_in_flight
      reader, writer = socket_pair
      got = Rota.run do
        task = waiting { Rota.loop.read(reader, 4) }
        Rota.sleep(0.001)
        task.fiber.kill
        task.await
        writer.syswrite("next")
        Rota.loop.read(reader, 4)
      end
      assert_equal "next", got
    end

    def test_fiber_kill_of_the_fiber_of_an_ended_task
      got = Rota.run do
        fibers = idle_fibers
        Rota.spin { other_of(fibers).kill }.await
        Array.new(3) { waiting { :fine } }.last.await
      end
      assert_equal :fine, got
    end
  end

  # Somebody has kept the fiber of a task that ended; other tasks run on it now, or none.
  def test_transfer_to_the_fiber_of_an_ended_task
    got = Rota.run do
      fibers = idle_fibers
      3.times { Rota.spin { other_of(fibers).transfer }.await }
      Rota.spin { :fine }.await
    end
    assert_equal :fine, got
  end

  def test_transfer_to_a_retired_fiber
    got = Rota.run do
      fiber = nil
      Rota.spin { fiber = Fiber.current.tap { |f| f.instance_variable_set(:@dirty, 1) } }.await
      3.times { Rota.spin { fiber.transfer }.await }
      Rota.spin { :fine }.await
    end
    assert_equal :fine, got
  end

  def test_fiber_raise_on_the_fiber_of_an_ended_task_is_told_to_the_root
    got = Rota.run do
      fibers = idle_fibers
      error = caught(KeyError) { Rota.spin { other_of(fibers).raise(KeyError) } && Rota.sleep }
      [error.class, Rota.spin { :fine }.await]
    end
    assert_equal [KeyError, :fine], got
  end

  def test_transfer_to_the_fiber_of_a_task_after_the_run
    fiber = nil
    Rota.run { Rota.spin { fiber = Fiber.current }.await }
    GC.start
    assert_nil rescued(FiberError, nil) { fiber.transfer }
  end

  def test_transfer_to_a_retired_fiber_after_the_run
    fiber = nil
    Rota.run { Rota.spin { fiber = Fiber.current.tap { |f| f.instance_variable_set(:@dirty, 1) } }.await }
    GC.start
    assert_nil rescued(FiberError, nil) { fiber.transfer }
  end

  def test_a_fiber_made_in_one_task_and_resumed_in_another
    got = Rota.run do
      fiber = Rota.spin { Fiber.new { Fiber.yield(Rota.current) && Rota.sleep(0.001) && Rota.current } }.await
      first = Rota.spin { fiber.resume }
      second = Rota.spin { first.await && fiber.resume(true) }
      [first.await.equal?(first), second.await.equal?(second)]
    end
    assert_equal [true, true], got
  end

  def test_lazy_enumerators_need_no_fiber_of_their_own
    assert_equal [0, 2], Rota.run { (0..).lazy.map { |i| Rota.sleep(0.0001) && (i * 2) }.first(2) }
  end

  private

  # Fibers of tasks that have ended, and wait for the next.
  def idle_fibers = Array.new(3) { Rota.spin { Rota.snooze || Fiber.current } }.map(&:await)

  def other_of(fibers) = fibers.find { |fiber| !fiber.equal?(Fiber.current) }

  def slow_enumerator(count)
    Enumerator.new { |y| count.times { |i| Rota.sleep(0.0005) && y << i } }
  end
end
