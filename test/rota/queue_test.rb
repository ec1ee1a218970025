# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

class QueueTest < RotaTest
  include Sync

  # -- as MRI's ------------------------------------------------------------------------------------

  # Each is run with a queue of Ruby's and with one of ours.
  SINGLE = {
    push: ->(q) { q.push(1).equal?(q) },
    append: ->(q) { (q << 1).equal?(q) },
    enq: ->(q) { [q.enq(1).equal?(q), q.size, q.length, q.empty?] },
    order: ->(q) { [q << 1 << 2 << 3, q.pop, q.shift, q.deq].last(3) },
    empty: ->(q) { q.pop(true) },
    non_block: ->(q) { (q << 4) && q.pop(true) },
    truthy: ->(q) { q.pop(:yes) },
    too_many: ->(q) { q.pop(1, 2) },
    none_given: lambda(&:push),
    close: ->(q) { [q.close.equal?(q), q.closed?, q.pop, q.close.equal?(q)] },
    close_keeps: ->(q) { (q << 1 << 2).close && [q.pop, q.pop, q.pop, q.empty?] },
    close_push: ->(q) { q.close.push(1) },
    close_pop: ->(q) { q.close.pop(true) },
    clear: ->(q) { [(q << 1).clear.equal?(q), q.size, q.num_waiting] },
    nil_item: ->(q) { [(q << nil).size, q.pop] },
    many: ->(q) { 100.times { |i| q << i } && Array.new(100) { q.pop } },
    dump: ->(q) { Marshal.dump(q) }
  }.freeze

  TIMED = {
    timeout: ->(q) { q.pop(timeout: 0.001) },
    unknown_keyword: ->(q) { q.pop(frob: 1) },
    zero: ->(q) { q.pop(timeout: 0) },
    negative: ->(q) { q.pop(timeout: -1) },
    nil_timeout: ->(q) { (q << 1) && q.pop(timeout: nil) },
    both: ->(q) { q.pop(true, timeout: 1) },
    in_time: ->(q) { (q << 1) && q.pop(timeout: 1) },
    closed: ->(q) { q.close.pop(timeout: 1) }
  }.freeze

  SIZED = {
    full: ->(q) { (q << 1 << 2).push(3, true) },
    full_and_closed: ->(q) { (q << 1 << 2).close.push(3, true) },
    closed: ->(q) { (q << 1).close.push(3, true) },
    fits: ->(q) { q.push(1, true).equal?(q) },
    max: ->(q) { [q.max, (q.max = 5), q.max] },
    bad_max: ->(q) { q.max = 0 },
    shrink: ->(q) { (q << 1 << 2) && (q.max = 1) && [q.size, q.pop, q.pop] },
    clear: ->(q) { (q << 1 << 2).clear << 3 << 4 and q.size }
  }.freeze

  SIZED_TIMED = {
    full: ->(q) { (q << 1 << 2).push(3, timeout: 0.001) },
    zero: ->(q) { (q << 1 << 2).push(3, timeout: 0) },
    full_and_closed: ->(q) { (q << 1 << 2).close.push(3, timeout: 0.01) },
    in_time: ->(q) { q.push(3, timeout: 1).equal?(q) },
    both: ->(q) { q.push(3, true, timeout: 1) }
  }.freeze

  def compare(cases, theirs, ours)
    cases.each { |name, work| assert_as outcome { work[theirs.call] }, outcome { work[ours.call] }, name }
  end

  def test_as_ruby_queue
    compare(SINGLE.except(:none_given), -> { Thread::Queue.new }, -> { Rota::Queue.new })
    compare(SINGLE.except(:many), -> { Thread::SizedQueue.new(9) }, -> { Rota::Queue.new(capacity: 9) })
  end

  def test_as_ruby_queue_with_a_timeout
    skip "Ruby's has none before 3.2" if RUBY_VERSION < "3.2"
    compare(TIMED, -> { Thread::Queue.new }, -> { Rota::Queue.new })
    compare(SIZED_TIMED, -> { Thread::SizedQueue.new(2) }, -> { Rota::Queue.new(capacity: 2) })
  end

  def test_as_ruby_sized_queue
    compare(SIZED, -> { Thread::SizedQueue.new(2) }, -> { Rota::Queue.new(capacity: 2) })
  end

  def test_as_ruby_queue_when_made
    [[], [[1, 2]], [1..3], [nil], [{ a: 1 }], [5], [1, 2]].each do |arguments|
      theirs = outcome { Thread::Queue.new(*arguments).then { |q| Array.new(q.size) { q.pop } } }
      ours = outcome { Rota::Queue.new(*arguments).shift_all }
      assert_equal theirs.to_s, ours.to_s, arguments.inspect
    end
    assert_equal(outcome { Thread::SizedQueue.new(0) }, outcome { Rota::Queue.new(capacity: 0) })
    assert_equal(outcome { Thread::SizedQueue.new("2") }, outcome { Rota::Queue.new(capacity: "2") })
    assert_raises(ArgumentError) { Rota::Queue.new(size: 1) }
  end

  def test_random_operations_as_ruby_queue
    random = Random.new(1)
    2.times do |limited|
      theirs = limited.zero? ? Thread::Queue.new : Thread::SizedQueue.new(7)
      ours = Rota::Queue.new(capacity: limited.zero? ? nil : 7)
      5000.times do |number|
        work = [
          ->(q) { limited.zero? || q.size < 7 ? q << number : nil }, ->(q) { q.pop(true) }, lambda(&:size),
          ->(q) { (number % 97).zero? ? q.clear : nil }
        ].sample(random: random)
        a, b = [theirs, ours].map { |queue| outcome { work[queue] }.then { |it| it.is_a?(Class) ? nil : it } }
        assert a == b, "#{a.inspect} and #{b.inspect}"
      end
    end
  end

  def test_not_copied_and_not_frozen
    assert_raises(NoMethodError) { Rota::Queue.new.dup }
    error = assert_raises(TypeError) { Rota::Queue.new.freeze }
    assert_match(/cannot freeze #<Rota::Queue/, error.message)
  end

  # -- what Ruby's has not -------------------------------------------------------------------------

  def test_unshift_delete_shift_each_shift_all
    queue = Rota::Queue.new([1, 2, 3, 2])
    assert_same queue, queue.unshift(0)
    assert_equal 2, queue.delete(2)
    assert_nil queue.delete(9)
    seen = []
    assert_same(queue, queue.shift_each { |item| seen << item and queue << 7 if seen.size < 2 })
    assert_equal [0, 1, 3], seen + [3] - [nil]
    assert_equal [7, 7], queue.shift_all
    assert_empty queue.shift_all
    assert_equal [5], Rota::Queue.new([5]).shift_each.to_a
    assert_raises(ClosedQueueError) { queue.close.unshift(1) }
  end

  def test_shift_each_leaves_the_rest_when_it_is_left
    queue = Rota::Queue.new([1, 2, 3])
    queue.shift_each { break }
    assert_equal [2, 3], queue.shift_all
  end

  def test_delete_whose_comparison_changes_the_queue
    queue = Rota::Queue.new(%w[a b a c])
    greedy = Object.new
    greedy.define_singleton_method(:==) do |other|
      queue.pop if queue.size == 4 || other == "x"
      other == "a"
    end
    wrapped = Class.new(BasicObject) { define_method(:==) { |other| greedy == other } }.new
    queue.delete(wrapped)
    assert_operator queue.size, :<=, 4
    assert_includes queue.shift_all, "c"
  end

  def test_the_ring_grows_and_shrinks_across_its_seam
    queue = Rota::Queue.new
    expected = []
    random = Random.new(2)
    20.times do
      random.rand(2000).times { |i| expected << i && queue << i }
      random.rand(expected.size + 1).times { assert_equal expected.shift, queue.pop }
      random.rand(5).times { |i| expected.unshift(i) && queue.unshift(i) }
    end
    assert_equal expected, queue.shift_all
  end

  def test_capacity
    queue = Rota::Queue.new(capacity: 1)
    assert_equal 1, queue.capacity
    assert_nil Rota::Queue.new.capacity
    Rota.run do
      pushes = Array.new(4) { |i| Rota.spin { queue << i } }
      snooze_until { queue.num_waiting == 3 }
      queue.capacity = 3
      assert_equal 3, queue.size
      queue.capacity = nil
      assert_equal [0, 1, 2, 3], queue.shift_all
      pushes.each(&:await)
    end
  end

  # -- between tasks -------------------------------------------------------------------------------

  def test_items_and_waiters_are_served_in_order
    Rota.run do
      queue = Rota::Queue.new
      served = []
      tasks = Array.new(5) { |i| Rota.spin { served << [i, queue.pop] } }
      snooze_until { queue.num_waiting == 5 }
      assert_no_enters { 5.times { |i| queue << i } && tasks.each(&:await) }
      assert_equal Array.new(5) { |i| [i, i] }, served
    end
  end

  def test_pushes_that_wait_keep_their_order
    Rota.run do
      queue = Rota::Queue.new([:first], capacity: 1)
      5.times { |i| Rota.spin { queue << i } }
      snooze_until { queue.num_waiting == 5 }
      assert_no_enters do
        assert_equal [:first, 0, 1, 2, 3, 4], Array.new(6) { queue.pop }
      end
    end
  end

  def test_a_hop_is_one_switch_and_no_object
    Rota.run do
      queue = Rota::Queue.new
      task = Rota.spin { 1_000.times { queue.pop } }
      Rota.snooze
      switches = Rota.loop.stats[:switches]
      assert_no_enters do
        1_000.times { queue << nil and Rota.snooze }
        task.await
      end
      assert_operator Rota.loop.stats[:switches] - switches, :<=, 2_010
    end
  end

  def test_close_wakes_everybody
    Rota.run do
      queue = Rota::Queue.new(capacity: 1)
      pops = Array.new(3) { Rota.spin { queue.pop } }
      snooze_until { queue.num_waiting == 3 }
      queue.close
      assert_equal [nil] * 3, pops.map(&:await)

      queue = Rota::Queue.new([1], capacity: 1)
      pushes = Array.new(3) { Rota.spin { outcome { queue << 1 } } }
      snooze_until { queue.num_waiting == 3 }
      queue.close
      assert_equal [[ClosedQueueError, "queue closed"]] * 3, pushes.map(&:await)
      assert_equal [1, nil], [queue.pop, queue.pop]
    end
  end

  def test_a_timeout_leaves_the_line
    Rota.run do
      queue = Rota::Queue.new
      assert_nil queue.pop(timeout: 0.001)
      assert_equal 0, queue.num_waiting
      queue << 1
      assert_equal 1, queue.pop

      full = Rota::Queue.new([1], capacity: 1)
      assert_nil full.push(2, timeout: 0.001)
      assert_equal [1], full.shift_all
    end
  end

  # -- cancelled -----------------------------------------------------------------------------------

  def test_an_item_handed_to_a_task_that_is_interrupted_in_the_same_turn_is_kept
    Rota.run do
      queue = Rota::Queue.new
      got = nil
      task = Rota.spin do
        got = queue.pop
        Rota.snooze
      end
      Rota.snooze
      queue << :item
      task.terminate
      task.await
      assert_equal :item, got

      task = Rota.spin { got = queue.pop }
      Rota.snooze
      task.terminate
      queue << :next # the interrupt came first, but the item finds its receiver still in line
      task.await
      assert_equal :next, queue.empty? ? got : queue.pop
    end
  end

  def test_deadlines
    Rota.run do
      queue = Rota::Queue.new
      assert_equal :late, Rota.move_on_after(0.001, with_value: :late) { queue.pop }
      assert_equal 0, queue.num_waiting
      assert_raises(Rota::TimeoutError) { Rota.cancel_after(0) { Rota::Queue.new([1]).pop } }
    end
  end

  # -- other threads -------------------------------------------------------------------------------

  def test_between_loops_and_native_threads
    there = Rota::Queue.new(capacity: 3)
    back = Rota::Queue.new
    threads = [
      Thread.new { 500.times { |i| there << i } },
      Thread.new { Rota.run { 500.times { |i| there << (1000 + i) } } },
      Thread.new { 500.times { back << there.pop } },
      Thread.new { Rota.run { 2.times { Rota.spin { 250.times { back << there.pop } } } } }
    ]
    items = Rota.run { Array.new(1000) { back.pop } }
    threads.each(&:join)
    assert_equal (0...500).to_a + (1000...1500).to_a, items.sort
    assert_equal 0, there.size + there.num_waiting + back.size
  end

  def test_a_native_thread_that_is_killed_or_interrupted_loses_nothing
    queue = Rota::Queue.new
    thread = Thread.new { queue.pop }
    sleep_until { queue.num_waiting == 1 }
    queue << 1
    thread.kill # after the item was handed over, perhaps before it was taken
    thread.join
    assert_equal 1, thread.value || queue.pop

    thread = Thread.new { queue.pop }
    sleep_until { queue.num_waiting == 1 }
    thread.report_on_exception = false
    thread.raise(IOError)
    assert_raises(IOError) { thread.join }
    assert_equal 0, queue.num_waiting
  end

  def test_a_native_thread_waits_with_a_timeout
    queue = Rota::Queue.new
    full = Rota::Queue.new([1], capacity: 1)
    results = Thread.new { [queue.pop(timeout: 0.01), full.push(1, timeout: 0.01), queue.num_waiting] }.value
    assert_equal [nil, nil, 0], results
  end

  def test_on_the_main_fiber_without_run
    assert_prints("[1, 2, nil]\n", <<~'RUBY')
      queue = Rota::Queue.new
      thread = Thread.new { sleep 0.01; queue << 1; sleep 0.01; queue << 2 }
      p [queue.pop, queue.pop, queue.pop(timeout: 0.01)]
      thread.join
    RUBY
  end

  def test_deadlock_names_the_queue
    Rota.run do
      error = assert_raises(Rota::Deadlock) { Rota::Queue.new.pop }
      assert_match(/an item/, error.message)
    end
  end

  def test_fork
    assert_prints("child 0 [:mine]\nparent [:theirs]\n", <<~'RUBY')
      $stdout.sync = true
      Rota.run do
        queue = Rota::Queue.new
        got = []
        task = Rota.spin { got << queue.pop }
        Rota.snooze
        pid = fork do
          waiting = queue.num_waiting
          queue << :mine
          puts "child #{waiting} #{queue.shift_all}"
        end
        Process.wait(pid)
        queue << :theirs
        task.await
        puts "parent #{got}"
      end
    RUBY
  end

  def test_fork_of_a_process_without_a_loop
    assert_prints("0 [1]\n", <<~'RUBY')
      $stdout.sync = true
      queue = Rota::Queue.new
      thread = Thread.new { queue.pop }
      sleep 0.01 until queue.num_waiting == 1
      Process.wait(fork { p0 = queue.num_waiting; queue << 1; puts "#{p0} #{queue.shift_all}" })
      thread.kill.join
    RUBY
  end

  # -- memory --------------------------------------------------------------------------------------

  def test_items_survive_collection_and_compaction
    queue = Rota::Queue.new(capacity: 100)
    100.times { |i| queue << "item #{i}".dup }
    GC.start
    GC.compact if GC.respond_to?(:compact)
    assert_equal Array.new(100) { |i| "item #{i}" }, queue.shift_all
  end

  def test_under_gc_stress
    Rota.run do
      queue = Rota::Queue.new(capacity: 2)
      task = Rota.spin { Array.new(20) { queue.pop } }
      GC.stress = true
      20.times { |i| queue << "item #{i}" }
      items = task.await
      GC.stress = false
      assert_equal Array.new(20) { |i| "item #{i}" }, items
    ensure
      GC.stress = false
    end
  end
end
