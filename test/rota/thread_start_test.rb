# frozen_string_literal: true

require "timeout"
require_relative "../test_helper"

# Threads that a task starts: what others raise in them surfaces while they compute.
class ThreadStartTest < RotaTest
  %i[new start fork].each do |verb|
    define_method("test_an_exception_in_a_thread_by_#{verb}_that_computes") do
      Rota.run do
        thread = Thread.public_send(verb, KeyError) { |error| compute_until(error) }
        Rota.sleep(0.001) until thread[:computes]
        thread.raise(KeyError, "stop")
        assert_equal "stop", thread.value
      end
    end
  end

  def test_timeout_in_a_thread_that_computes
    Rota.run do
      thread = Thread.new { caught(Timeout::Error) { Timeout.timeout(0.02) { loop { nil } } } }
      assert_kind_of Timeout::Error, thread.value
    end
  end

  def test_timeout_in_a_pool_made_by_a_task
    Rota.run do
      pool = Rota::ThreadPool.new(1)
      error = caught(Timeout::Error) { pool.process { Timeout.timeout(0.02) { loop { nil } } } }
      assert_kind_of Timeout::Error, error
      pool.stop
    end
  end

  def test_a_class_of_ones_own_with_arguments_and_keywords
    kind = Class.new(Thread) do
      attr_reader :given

      def initialize(first, key:, &block)
        @given = [first, key]
        super(&block)
      end
    end
    Rota.run do
      thread = kind.new(1, key: 2) { :value }
      assert_equal [[1, 2], :value], [thread.given, thread.value]
    end
  end

  def test_where_it_was_started_is_still_said
    Rota.run do
      thread = Thread.new { nil }
      assert_includes thread.inspect, File.basename(__FILE__)
      thread.join
    end
  end

  def test_a_thread_that_cannot_be_started
    Rota.run do
      assert_includes caught(ThreadError) { Thread.new }.message, "block"
      assert_equal 1, Thread.new { 1 }.value
    end
  end

  # As the end of the process and an INT without a handler are: by core, not by Thread#raise.
  def test_what_was_raised_in_the_thread_meanwhile_is_the_root_tasks
    error = Rota.run do
      task = Rota.spin do
        raise_as_core_does(KeyError)
        Thread.new { :started }.value
      end
      caught(KeyError) { Rota.sleep(10) }.tap { assert_equal :started, task.await }
    end
    assert_kind_of KeyError, error
  end

  # Timeout and other threads raise by core while the root task runs.
  def test_what_was_raised_while_the_root_task_computes
    error, thread = Rota.run do
      raise_as_core_does(KeyError)
      thread = Thread.new { :started }
      [caught(KeyError) { Rota.sleep(10) }, thread]
    end
    assert_equal [KeyError, :started], [error.class, thread.value]
  end

  def test_a_timeout_around_the_start_in_a_script
    out, err, = run_ruby(<<~RUBY)
      require "rota"
      require "timeout"
      task = Rota.spin do
        Thread.main.raise(Timeout::Error) # as Timeout does
        Thread.new { nil }.join
      end
      Timeout.timeout(5) { task.await } rescue p $!.class
    RUBY
    assert_equal ["Timeout::Error\n", ""], [out, err]
  end

  def test_in_a_forked_child
    Rota.run do
      pid = fork do
        thread = Thread.new { caught(Timeout::Error) { Timeout.timeout(0.02) { loop { nil } } } }
        exit!(thread.value.is_a?(Timeout::Error) ? 0 : 1)
      end
      assert_predicate Process.wait2(pid).last, :success?
    end
  end

  def test_outside_of_a_run_nothing_is_changed
    thread = Thread.handle_interrupt(KeyError => :never) { Thread.new { Thread.pending_interrupt? || sleep } }
    Thread.pass until thread.status == "sleep"
    thread.raise(KeyError)
    Thread.pass until thread.pending_interrupt?
    assert_equal "sleep", thread.status
    thread.kill.join
  end

  private

  def compute_until(error)
    Thread.current[:computes] = true
    loop { nil }
  rescue error => e
    e.message
  end

  def raise_as_core_does(error)
    Thread.instance_method(:raise).super_method.bind_call(Thread.current, error)
  end
end
