# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/sync"

class ThreadPoolTest < RotaTest
  include Sync

  def setup
    super
    @pool = Rota::ThreadPool.new(2)
  end

  def teardown
    @pool.stop
    super
  end

  def test_process_runs_in_another_thread_and_the_loop_goes_on
    Rota.run do
      ticked = Thread::Queue.new
      Rota.spin { 5.times { |tick| Rota.sleep(0.001) and ticked << tick } }
      thread, ticks = @pool.process { [Thread.current, Array.new(5) { ticked.pop }] }
      refute_same Thread.current, thread
      assert_equal [*0..4], ticks
    end
    assert_equal 2, @pool.size
    assert_equal Etc.nprocessors, Rota::ThreadPool.new.stop.size
    assert_raises(ArgumentError) { Rota::ThreadPool.new(0) }
    assert_raises(ArgumentError) { @pool.process }
  end

  def test_process_from_plain_threads
    assert_equal 3, Thread.new { @pool.process { 3 } }.value
    assert_equal [0, 1, 4, 9], Array.new(4) { |i| Thread.new { @pool.process { i * i } } }.map(&:value)
  end

  def test_a_failure_that_cannot_be_reported_kills_no_thread
    odd = Class.new(StandardError) { def message = raise("no message") }
    Rota.run do
      4.times { @pool.cast { raise odd } }
      assert_equal 1, @pool.process { 1 }
    end
  end

  def test_failures_are_raised_and_kill_no_thread
    Rota.run do
      10.times do
        assert_raises(IOError) { @pool.process { raise IOError } }
        assert_raises(NoMemoryError) { @pool.process { raise NoMemoryError } }
        assert_raises(UncaughtThrowError) { @pool.process { throw :x } }
        error = assert_raises(Rota::Error) { @pool.process { Thread.exit } }
        assert_match(/ended its thread/, error.message)
      end
      assert_equal 1, @pool.process { 1 }
      exception = @pool.process { IOError.new("a value") }
      assert_instance_of IOError, exception
    end
  end

  def test_cast
    done = Rota::Queue.new
    assert_same @pool, @pool.cast { done << 1 }
    assert_equal 1, done.pop
    _, err = capture_io do
      @pool.cast { raise IOError, "of a cast" }
      sleep_until { !@pool.busy? }
      @pool.stop
    end
    assert_match(/terminated with exception.*of a cast \(IOError\)/m, err)
  end

  def test_busy
    gate = Rota::Queue.new
    refute @pool.busy?
    @pool.cast { gate.pop }
    assert @pool.busy?
    gate << 1
    sleep_until { !@pool.busy? }
  end

  def test_stop_does_what_is_queued_and_lets_the_loop_run
    Rota.run do
      done = Rota::Queue.new
      6.times { |i| @pool.cast { sleep(0.002) and done << i } }
      ticks = 0
      Rota.spin { 3.times { ticks += 1 and Rota.sleep(0.001) } }
      assert_same @pool, @pool.stop
      assert_equal [6, 3], [done.size, ticks]
      assert_raises(Rota::Error) { @pool.process { 1 } }
      @pool.stop
    end
  end

  # The first one has read that a thread ends, which is then slow to do so.
  def test_a_stop_after_one_that_was_cancelled
    slow = Thread::Queue.new
    pool = Rota::ThreadPool.new(2)
    ended = pool.instance_variable_get(:@ended)
    ended.define_singleton_method(:push) { |message| super(message) && slow.pop }
    Rota.run do
      gate = Thread::Queue.new
      pool.cast { gate.pop }
      assert_equal :late, Rota.move_on_after(0.02, with_value: :late) { pool.stop }
      gate << true
      Rota.spin { Rota.sleep(0.02) and 2.times { slow << true } }
      assert_same pool, pool.stop
    end
  end

  def test_a_job_cannot_stop_its_own_pool
    Rota.run do
      error = assert_raises(Rota::Error) { @pool.process { @pool.stop } }
      assert_match(/cannot wait/, error.message)
      assert_equal 7, @pool.process { 7 }
    end
  end

  def test_a_cancelled_wait_leaves_the_job_to_itself
    Rota.run do
      done = Rota::Queue.new
      assert_equal :late, Rota.move_on_after(0.005, with_value: :late) { @pool.process { sleep(0.02) and done << 1 } }
      assert_equal 1, done.pop
    end
  end

  def test_fork
    assert_prints("child 2\nparent 3\n", <<~'RUBY')
      $stdout.sync = true
      pool = Rota::ThreadPool.new(1)
      pool.process { 1 }
      Process.wait(fork { puts "child #{pool.process { 2 }}"; pool.stop })
      puts "parent #{pool.process { 3 }}"
      pool.stop
    RUBY
  end

  def test_a_child_of_a_job_does_no_other_jobs
    assert_prints("parent\ndone\n", <<~'RUBY')
      $stdout.sync = true
      pid = Process.pid
      child = Queue.new
      pool = Rota::ThreadPool.new(1)
      pool.cast { child << fork }
      pool.cast { puts(Process.pid == pid ? "parent" : "child") }
      pool.stop
      Process.wait(child.pop)
      puts "done"
    RUBY
  end

  def test_the_end_of_the_process_ends_jobs_without_a_word
    out, err, status = run_ruby(<<~'RUBY')
      require "rota"
      begun = Queue.new
      Rota::ThreadPool.new(1).cast { begun << true; sleep }
      begun.pop
    RUBY
    assert_equal ["", "", 0], [out, err, status.exitstatus]
  end

  def test_exit_in_a_cast_ends_the_process
    out, err, status = run_ruby(<<~'RUBY')
      require "rota"
      pool = Rota::ThreadPool.new(1)
      pool.cast { exit 3 }
      sleep 5
    RUBY
    assert_equal ["", "", 3], [out, err, status.exitstatus]
  end
end
