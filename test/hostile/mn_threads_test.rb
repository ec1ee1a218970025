# frozen_string_literal: true

require "test_helper"

# Ruby threads that move between native threads (RUBY_MN_THREADS=1, Ruby 3.3 and newer; elsewhere the
# same programs with plain threads). A ring may belong to one native thread, and what is cached for a
# native thread may be another Ruby thread's.
class MnThreadsTest < RotaTest
  def test_each_thread_finds_its_own_loop
    assert_program "true\n", <<~RUBY
      threads = Array.new(8) do |i|
        Thread.new do
          Rota.run do
            own = Rota.loop
            50.times.map { Rota.sleep(0.0005); Rota.loop.equal?(own) }.all?
          end
        end
      end
      p threads.all?(&:value)
    RUBY
  end

  # Between two runs the thread may have moved.
  def test_runs_one_after_the_other
    assert_program "1600\n", <<~RUBY
      threads = Array.new(8) do |i|
        Thread.new do
          Array.new(20) do
            sleep(0.0005)
            Rota.run { Array.new(10) { Rota.spin { Rota.sleep(0.0002); 1 } }.sum(&:await) }
          end.sum
        end
      end
      p threads.sum(&:value)
    RUBY
  end

  def test_io_in_many_threads
    assert_program "2400\n", <<~RUBY
      threads = Array.new(8) do |i|
        Thread.new do
          reader, writer = IO.pipe
          Rota.run do
            count = 0
            consumer = Rota.spin { 300.times { Rota.loop.read(reader, 1); count += 1 } }
            300.times { Rota.loop.write(writer, "x"); Rota.snooze if rand(3).zero? }
            consumer.await
            count
          end
        end
      end
      p threads.sum(&:value)
    RUBY
  end

  def test_tasks_scheduled_across_threads
    assert_program "done\n", <<~RUBY
      roots = Array.new(4)
      threads = Array.new(4) { |i| Thread.new { Rota.run { |root| roots[i] = root; 100.times { Rota.suspend } } } }
      Thread.pass until roots.all?
      until threads.none?(&:alive?)
        roots.each(&:schedule)
        Thread.pass
      end
      threads.each(&:join)
      puts "done"
    RUBY
  end

  def test_processes_of_many_threads
    assert_program "true\n", <<~RUBY
      threads = Array.new(4) do |i|
        Thread.new { Rota.run { Array.new(5) { |n| Rota.spin { Rota.capture("echo \#{i}\#{n}").first } }.map(&:await) } }
      end
      p threads.map(&:value) == Array.new(4) { |i| Array.new(5) { |n| "\#{i}\#{n}\n" } }
    RUBY
  end

  def test_items_and_locks_cross_threads
    assert_program "[4950, 400]\n", <<~RUBY
      queue, mutex, count = Rota::Queue.new(capacity: 3), Rota::Mutex.new, 0
      consumers = Array.new(4) do
        Thread.new { Rota.run { sum = 0; while (item = queue.pop); sum += item; end; sum } }
      end
      counters = Array.new(4) do
        Thread.new { Rota.run { 100.times { mutex.synchronize { now = count; Rota.snooze; count = now + 1 } } } }
      end
      Rota.run { 100.times { |i| queue << i } }
      queue.close
      counters.each(&:join)
      p [consumers.sum(&:value), count]
    RUBY
  end

  def test_beside_threads_that_compute
    assert_program "0\n", <<~RUBY
      stop = false
      busy = Array.new(2) { Thread.new { 1 + 1 until stop } }
      threads = Array.new(4) { Thread.new { Rota.run { 5.times { Rota.sleep(0.001) }; 0 } } }
      p threads.sum(&:value)
      stop = true
      busy.each(&:join)
    RUBY
  end

  def test_kill_at_random_moments
    assert_program "done\n", <<~RUBY
      random = Random.new(#{Minitest.seed})
      40.times do
        reader, writer = IO.pipe
        thread = Thread.new do
          Rota.run do
            Rota.spin { loop { Rota.loop.read(reader, 10) } }
            Rota.spin { loop { Rota.loop.write(writer, "xx"); Rota.sleep(0.0001) } }
            Rota.spin { loop { Rota.spin { Rota.snooze }.await; Rota.sleep(0.0001) } }
            Rota.sleep
          end
        end
        sleep random.rand(0.01)
        thread.kill
        thread.join(20) or abort "a killed thread did not end"
      end
      puts "done"
    RUBY
  end

  private

  def assert_program(expected, program)
    out, err, status = run_ruby("require 'rota'\n#{program}", env: { "RUBY_MN_THREADS" => "1" }, timeout: 60)
    assert_equal [expected, "", true], [out, err, status.success?]
  end
end
