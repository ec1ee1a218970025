# frozen_string_literal: true

require "test_helper"

# The collector runs, and moves objects, at any moment.
class GcTest < RotaTest
  time_limit ENV["ROTA_FULL"] == "1" ? 900 : 120

  def teardown
    GC.stress = false
    super
  end

  def test_stress_while_tasks_come_and_go
    got = stressed { Array.new(10) { |i| Rota.spin { Rota.snooze || i.to_s } }.map(&:await) }
    assert_equal [*"0".."9"], got
  end

  def test_stress_while_a_task_fails
    got = stressed {
      Array.new(5) { |i|
        caught(KeyError) {
          Rota.spin {
            Rota.snooze || raise(KeyError, i.to_s)
          }.await
        }.message
      }
    }
    assert_equal [*"0".."4"], got
  end

  # Its parent is told of the failure, which takes memory, when the loop has let go of it already.
  def test_stress_while_a_task_fails_that_nobody_holds
    error = caught(KeyError) do
      Rota.run do
        5.times do |i|
          Rota.spin do
            Rota.snooze
            GC.stress = true
            raise KeyError, i.to_s
          end
        end
        Rota.sleep
      end
    end
    GC.stress = false
    GC.start # marks what is left
    assert_equal "0", error.message
  end

  # Up to Ruby 3.2 nobody closes the scheduler of a killed thread: its loop, its tasks and the deadlines
  # of their enumerators are freed in any order. In a process of its own: the collector takes what looks
  # like a reference on a stack for one, so that some of the loops may stay to the end of the process.
  def test_deadlines_of_enumerators_that_a_killed_thread_leaves_behind
    out, err, status = run_ruby(<<~RUBY)
      require "rota"

      def limited(taker) = Rota.move_on_after(10) { |_timeout| 2.times { taker << 1 } }

      100.times do
        thread = Thread.new do
          Thread.current.report_on_exception = false
          Fiber.set_scheduler(Rota::Scheduler.new)
          10.times { Fiber.schedule { Enumerator.new { |taker| limited(taker) }.next && Rota.sleep } }
          Thread.current.kill
        end
        thread.join
      end
      3.times { GC.start }
      print Rota.run { 1 }
    RUBY
    assert_equal ["1", "", true], [out, err, status.success?], status.inspect
  end

  def test_stress_with_deadlines
    got = stressed { Array.new(5) { Rota.move_on_after(0.001, with_value: "late".dup) { Rota.sleep } } }
    assert_equal ["late"] * 5, got
  end

  def test_stress_with_scopes
    got = stressed { Rota.spin_scope { Array.new(5) { |i| Rota.spin { Rota.snooze || i.to_s } } }.map(&:result) }
    assert_equal [*"0".."4"], got
  end

  def test_stress_with_values_that_only_a_schedule_holds
    got = stressed { Array.new(5) { |i| waiting.schedule("value #{i}").await } }
    assert_equal Array.new(5) { |i| "value #{i}" }, got
  end

  def test_stress_with_exceptions_that_only_a_list_holds
    got = stressed {
      Array.new(5) { |i|
        waiting {
          caught(KeyError) {
            Rota.suspend
          }
        }.raise(KeyError, "error #{i}").await.message
      }
    }
    assert_equal Array.new(5) { |i| "error #{i}" }, got
  end

  def test_stress_with_a_read_in_flight
    reader, writer = socket_pair
    got = stressed do
      Array.new(5) do |i|
        read = waiting { Rota.loop.read(reader, 100) }
        GC.start
        Rota.loop.write(writer, "message #{i}")
        read.await
      end
    end
    assert_equal Array.new(5) { |i| "message #{i}" }, got
  end

  def test_stress_with_enumerators_that_are_dropped_while_they_park
    got = stressed do
      tasks = Array.new(3) { waiting { Enumerator.new { |y| y << Rota.suspend }.next } }
      GC.start
      tasks.each { |task| task.schedule(:value) }.map(&:await)
    end
    assert_equal %i[value value value], got
  end

  # ROTA_FULL=1: as many as a default kernel has room for, and to spare.
  MANY = ENV["ROTA_FULL"] == "1" ? 20_000 : 400

  # Each collection looks at every stack, so it is stress in slices.
  def test_stress_and_compaction_with_many_live_tasks
    reader, writer = socket_pair
    got = Rota.run do
      tasks = Array.new(MANY) { |i| Rota.spin("tag #{i}") { Rota.move_on_after(3600) { Rota.suspend } } }
      reading = Rota.spin { Rota.loop.read(reader, MANY) }
      Rota.snooze
      tasks.each_slice(MANY / 2).each_with_index.sum do |some, slice|
        in_stress { Rota.loop.write(writer, "x") && Rota.spin { "value #{slice}" }.await.size }
        compact if GC.respond_to?(:compact)
        some.each_with_index { |task, i| task.schedule("value #{i}") }
        some.each_with_index.count { |task, i| task.await == "value #{i}" && task.tag.start_with?("tag ") }
      end.tap { reading.await }
    end
    assert_equal MANY, got
  end

  def test_a_task_that_nobody_holds_runs_on
    seen = []
    Rota.run do
      20.times { |i| Rota.spin { Rota.sleep(0.002) && seen << i } }
      5.times do
        Rota.sleep(0.0005)
        GC.start
      end
    end
    assert_equal [*0...20], seen.sort
  end

  if GC.respond_to?(:compact)
    # The kernel writes where the bytes were when the read began.
    def test_compaction_with_reads_in_flight_into_strings
      got = Rota.run do
        pairs = Array.new(20) { socket_pair }
        buffers = Array.new(20) { |i| String.new(capacity: i.even? ? 10 : 600) }
        reads = pairs.zip(buffers).map { |(reader, _), buffer|
          Rota.spin {
            Rota.loop.read(reader, 10, buffer) && buffer
          }
        }
        Rota.sleep(0.001)
        compact
        pairs.each_with_index { |(_, writer), i| writer.syswrite("bytes #{i}") }
        compact
        reads.map(&:await)
      end
      assert_equal Array.new(20) { |i| "bytes #{i}" }, got
    end

    def test_compaction_with_reads_in_flight_that_make_their_strings
      got = Rota.run do
        pairs = Array.new(20) { socket_pair }
        reads = pairs.map { |reader, _| Rota.spin { Rota.loop.read(reader, 10) } }
        Rota.sleep(0.001)
        compact
        pairs.each_with_index { |(_, writer), i| writer.syswrite("bytes #{i}") }
        reads.map(&:await)
      end
      assert_equal Array.new(20) { |i| "bytes #{i}" }, got
    end

    def test_compaction_with_everything_alive
      got = Rota.run do |root|
        tasks = Array.new(20) { |i| Rota.spin("tag #{i}") { Rota.move_on_after(60) { Rota.suspend } } }
        never = Array.new(3) { Rota.spin { :entered } }
        Rota.snooze
        failing = waiting { Rota.shield { Rota.suspend } }
        failing.raise(KeyError, "held back")
        entered = Enumerator.new { |y| Rota.move_on_after(60) { y << 1 } }.tap(&:next)
        compact
        tags = tasks.map { |task| [task.tag, task.parent.equal?(root), task.fiber.alive?] }
        failing.schedule
        error = caught(KeyError) { failing.await }
        [tags.uniq { |_, *rest| rest }.size, tags.last, tasks.map { |task| task.schedule(task.tag).await }.last,
         error.message, never.map(&:await).uniq, entered.class]
      end
      assert_equal [1, ["tag 19", true, true], "tag 19", "held back", [:entered], Enumerator], got
    end

    def test_compaction_between_runs
      3.times do
        assert_equal 1, Rota.run { Rota.spin { 1 }.tap { compact }.await }
        compact
      end
    end
  end

  if GC.respond_to?(:verify_compaction_references)
    # Moves every object that may move, and looks for references to where they were.
    def test_references_after_everything_moved
      out, err, status = run_ruby(<<~RUBY, timeout: 120)
        require "rota"
        room = GC.method(:verify_compaction_references).parameters.map(&:last) & %i[expand_heap]
        options = { toward: :empty, (room.first || :double_heap) => true }
        Rota.run do
          reader, writer = IO.pipe
          buffer = +"buffer"
          read = Rota.spin("a tag") { Rota.loop.read(reader, 5, buffer) }
          sleeping = Rota.spin { Rota.move_on_after(60) { Rota.suspend } }
          Rota.snooze
          Rota.sleep(0.001)
          GC.verify_compaction_references(**options)
          unborn = Rota.spin { "unborn" }
          GC.verify_compaction_references(**options)
          writer.syswrite("bytes")
          read.await
          p buffer, read.tag, unborn.await, sleeping.schedule("value").await
        end
      RUBY
      assert_equal [%("bytes"\n"a tag"\n"unborn"\n"value"\n), true], [out, status.success?], err
    end

    def test_auto_compaction
      out, err, status = run_ruby(<<~RUBY, timeout: 120)
        require "rota"
        GC.auto_compact = true
        Rota.run do
          reader, writer = IO.pipe
          total = 0
          consumer = Rota.spin { 300.times { total += Rota.loop.read(reader, 10).bytesize } }
          300.times { |i| Rota.loop.write(writer, "0123456789"); "garbage" * 50; GC.start if i % 30 == 0; Rota.snooze }
          consumer.await
          p total
        end
      RUBY
      assert_equal ["3000\n", true], [out, status.success?], err
    end
  end

  private

  # A whole run under GC.stress: slow, so keep it short.
  def stressed(&block)
    Rota.run { in_stress(&block) }
  end

  def in_stress
    GC.stress = true
    yield
  ensure
    GC.stress = false
  end

  # Objects die around those that live, so that there is somewhere to move to.
  def compact
    Array.new(2000) { |i| "garbage #{i}" }
    GC.compact
  end
end
