# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

class ResourcePoolTest < RotaTest
  include Sync

  Resource = Struct.new(:number) do
    def call(*args, key: nil, &block) = [number, args, key, block&.call]
  end

  def setup
    super
    @made = 0
    @pool = Rota::ResourcePool.new(limit: 2) { Resource.new(@made += 1) }
  end

  def state = [@pool.size, @pool.available]

  def test_resources_are_made_when_needed_and_used_again
    Rota.run do
      assert_equal [2, 0, 2], [@pool.limit, @pool.size, @pool.available]
      assert_equal 5, @pool.acquire { assert_equal([1, 1], state) && 5 }
      3.times { @pool.acquire { |resource| assert_equal 1, resource.number } }
      assert_equal [1, 2], state
    end
    assert_raises(ArgumentError) { Rota::ResourcePool.new(limit: 0) { nil } }
    assert_raises(ArgumentError) { Rota::ResourcePool.new(limit: 1) }
    assert_raises(ArgumentError) { @pool.acquire }
  end

  def test_at_most_limit_at_a_time_in_order
    Rota.run do
      order = []
      inside = {}.compare_by_identity
      tasks = Array.new(6) do |i|
        Rota.spin do
          @pool.acquire do |resource|
            refute inside[resource]
            inside[resource] = true
            order << i
            Rota.snooze
            inside.delete(resource)
          end
        end
      end
      tasks.each(&:await)
      assert_equal (0..5).to_a, order
      assert_equal [2, 2], state
    end
  end

  def test_reentrant_for_the_task_alone
    Rota.run do
      @pool.acquire do |outer|
        @pool.acquire { |inner| assert_same outer, inner }
        assert_equal 1, @pool.available
        other = Rota.spin { @pool.acquire(&:itself) }.await
        refute_same outer, other
      end
      assert_equal [2, 2], state
    end
  end

  def test_discard
    Rota.run do
      @pool.acquire { @pool.discard! }
      assert_equal [0, 2], state
      assert_equal 2, @pool.acquire(&:number)
      assert_raises(Rota::Error) { @pool.discard! }
    end
  end

  def test_fill
    Rota.run do
      assert_same @pool, @pool.fill!
      assert_equal [2, 2], state
      @pool.acquire { @pool.fill! }
      assert_equal [2, 2, 2], [*state, @made]
    end
  end

  def test_an_allocator_that_gives_the_same_object_again
    Rota.run do
      [:same, nil].each do |resource|
        pool = Rota::ResourcePool.new(limit: 2) { resource }
        assert_equal [2, 2], [pool.fill!.size, pool.available]
        2.times { assert_same resource, pool.acquire { |lent| pool.discard! && lent } }
        assert_equal [0, 2], [pool.size, pool.available]
        assert_same(resource, pool.acquire { pool.acquire(&:itself) })
        assert_equal 1, pool.size
      end
    end
  end

  def test_a_failing_allocator_frees_its_slot_and_wakes_the_next
    Rota.run do
      calls = 0
      pool = Rota::ResourcePool.new(limit: 1) do
        Rota.snooze
        (calls += 1) == 1 ? raise(IOError) : :resource
      end
      first = Rota.spin { pool.acquire { flunk } }
      second = Rota.spin { pool.acquire { |resource| resource } }
      assert_raises(IOError) { first.await }
      assert_equal :resource, second.await
      assert_equal [1, 1], [pool.size, pool.available]
    end
  end

  def test_a_failing_block_gives_the_resource_back
    Rota.run do
      assert_raises(IOError) { @pool.acquire { raise IOError } }
      assert_equal [1, 2], state
    end
  end

  def test_delegation
    Rota.run do
      assert_respond_to @pool, :call
      refute_respond_to @pool, :frob
      assert_equal [1, [1, 2], 3, 4], @pool.call(1, 2, key: 3) { 4 }
      assert_raises(NoMethodError) { @pool.frob }
      assert_equal [1], @pool.to_a
      assert_equal [1, 2], state
    end
  end

  def test_a_conversion_makes_no_resource
    assert_equal [@pool], [@pool].flatten
    assert_equal 0, @made
  end

  def test_a_cancelled_waiter_loses_nothing
    Rota.run do
      20.times do
        holders = Array.new(2) { Rota.spin { @pool.acquire { Rota.snooze } } }
        waiters = Array.new(4) { Rota.spin { @pool.acquire { Rota.snooze } } }
        Rota.snooze
        waiters.sample.terminate
        Rota.snooze
        waiters.sample.terminate
        (holders + waiters).each(&:await)
        assert_equal 2, @pool.available
      end
    end
  end

  # Those that its parent holds, has in stock, and was lent itself are none of the child's.
  def test_a_forked_child_has_the_whole_limit_and_nothing_of_its_parents
    assert_prints("child 0 of 2, none, [3, 4] [4, 3]\nchild behind a fork 0 of 2\nparent 2 of 2, 1\n", <<~'RUBY')
      $stdout.sync = true
      made = 0
      pool = Rota::ResourcePool.new(limit: 2) { made += 1 }
      pair = -> { Array.new(2) { Rota.spin { pool.acquire { |own| Rota.snooze || own } } }.map(&:await) }
      state = -> { "#{pool.size} of #{pool.available}" }
      Rota.run do
        holder = Rota.spin { pool.acquire { Rota.suspend } }
        Rota.snooze
        pool.acquire do
          Process.wait(fork do
            print "child #{state.call}, "
            print((pool.discard! rescue "none"), ", ")
            puts "#{Rota.run { pair.call }} #{Rota.run { pair.call }}"
          end)
        end
        pid = Rota.spin { pool.acquire { fork } or puts "child behind a fork #{state.call}" }.await
        Process.wait(pid)
        holder.stop
        holder.await
        puts "parent #{state.call}, #{pool.acquire(&:itself)}"
      end
    RUBY
  end

  def test_with_native_threads
    inside = Rota::Queue.new
    work = lambda do
      50.times do
        @pool.acquire do
          inside << 1
          assert_operator inside.size, :<=, 2
          @pool.acquire { Rota.loop? ? Rota.snooze : Thread.pass }
          inside.pop
        end
      end
    end
    threads = [Thread.new(&work), Thread.new(&work), Thread.new { Rota.run { 2.times { Rota.spin(&work) } } }]
    threads.each(&:join)
    assert_equal [2, 2], state
  end
end
