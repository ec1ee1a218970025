# frozen_string_literal: true

require "test_helper"
require "timeout"
require_relative "../support/cooperation"

class SchedulerTimeoutTest < RotaTest
  include Cooperation

  class Mine < StandardError; end

  as_ruby(:the_message) { Timeout.timeout(0.02) { sleep } }
  as_ruby(:a_message_of_ones_own) { Timeout.timeout(0.02, Mine, "too late") { sleep } }
  as_ruby(:a_class) { Timeout.timeout(0.02, Mine) { sleep } }
  as_ruby(:around_a_queue) { Timeout.timeout(0.02) { Queue.new.pop } }
  as_ruby(:around_a_mutex) do
    mutex = Mutex.new
    holder = Thread.new { mutex.synchronize { sleep } }
    sleep(0.001) until mutex.locked?
    Timeout.timeout(0.02) { mutex.lock }
  ensure
    holder.kill.join
  end
  as_ruby(:around_a_read) { IO.pipe { |r, _| Timeout.timeout(0.02) { r.read(1) } } }
  if RUBY_VERSION >= "3.2"
    as_ruby(:around_a_select) { IO.pipe { |r, _| Timeout.timeout(0.02) { IO.select([r]) } } }
  end
  as_ruby(:in_time) { Timeout.timeout(5) { sleep(0.01) and :done } }
  as_ruby(:the_blocks_argument, waits: false) { Timeout.timeout(5) { |seconds| seconds } }
  as_ruby(:nil, waits: false) { Timeout.timeout(nil) { :no_limit } }
  as_ruby(:zero, waits: false) { Timeout.timeout(0) { :no_limit } }
  as_ruby(:a_block_that_raises, waits: false) { Timeout.timeout(5) { raise Mine, "own" } }
  as_ruby(:the_outer_one) { Timeout.timeout(0.02, Mine, "outer") { Timeout.timeout(5) { sleep } } }
  as_ruby(:the_inner_one) do
    Timeout.timeout(5, Mine, "outer") do
      Timeout.timeout(0.02) { sleep }
    rescue Timeout::Error
      :inner
    end
  end
  as_ruby(:the_outer_one_is_not_the_inner_ones) do
    Timeout.timeout(0.02) do
      Timeout.timeout(5, Mine) { sleep }
    rescue Mine
      :wrong
    end
  end
  # The block cannot rescue what it does not name.
  as_ruby(:a_rescue_inside) do
    Timeout.timeout(0.02) do
      sleep
    rescue StandardError
      :swallowed
    end
  end
  as_ruby(:ensure_blocks) do
    log = []
    begin
      Timeout.timeout(0.02) do
        sleep
      ensure
        log << :ensured
      end
    rescue Timeout::Error
      log << :raised
    end
    log
  end

  # As tight as it gets: the block ends when the time is up, a moment before and a moment after, by a
  # sleep, by what is read, or without having waited at all. What comes late is raised in the nap.
  ENDS = {
    a_sleep: ->(span, *) { sleep(span) },
    a_read: ->(span, r, w) { Rota.after(span) { w << "x" } && r.readpartial(1) },
    no_wait: ->(span, *) { Process.clock_gettime(Process::CLOCK_MONOTONIC).then { |start| nil while now - start < span } }
  }.freeze

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

  ENDS.each do |name, block|
    %i[root task].each do |context|
      define_method(:"test_it_never_fires_behind_#{name}_in_#{context}") do
        cooperating(context) do
          r, w = keep(IO.pipe)
          150.times do |i|
            begin
              Timeout.timeout(0.0008) { instance_exec(0.0007 + (i % 20 * 0.000_01), r, w, &block) }
            rescue Timeout::Error
              nil
            end
            sleep(0.0002)
            r.read_nonblock(9, exception: false)
          end
        end
      end
    end
  end

  def test_only_its_own_task
    Rota.run do
      innocent = Rota.spin { sleep(0.03) and :fine }
      assert_raises(Timeout::Error) { Timeout.timeout(0.005) { sleep } }
      assert_equal :fine, innocent.await
    end
  end

  def test_many_at_once
    late = 0
    Rota.run do
      500.times do |i|
        Rota.spin do
          Timeout.timeout(i.even? ? 0.01 : 20) { sleep(i.even? ? 20 : 0.01) }
        rescue Timeout::Error
          late += 1
        end
      end
    end
    assert_equal 250, late
  end
end
