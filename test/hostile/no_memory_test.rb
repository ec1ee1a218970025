# frozen_string_literal: true

require "test_helper"
require "tmpdir"
require_relative "../storm/faults"

# The core finds no memory: whoever asked is told, and nothing is lost when there is some again.
class NoMemoryTest < RotaTest
  PREPARED = <<~RUBY.freeze
    require "rota"
    require "socket"
    require "#{File.expand_path('../storm/faults', __dir__)}"

    def starve(per_mille) = Storm::Faults.set(:allocations, per_mille)

    def streams
      UNIXSocket.pair.map { |io| (io.autoclose = false) || Rota::Stream.for_fd(io.fileno) }
    end
  RUBY
  private_constant :PREPARED

  # A receive into the stream's own memory needs some each time.
  def test_a_reader_that_finds_no_memory_is_told_and_may_try_again
    assert_prints <<~RUBY, "told\nhello\n"
      Rota.run(without: :provided_buffers) do
        near, far = streams
        reader = Rota.spin do
          near.read
        rescue NoMemoryError
          puts "told"
          starve(0)
          retry
        end
        starve(1000)
        Rota.snooze
        far.write("hello")
        far.close
        puts reader.await
      end
    RUBY
  end

  # Enough for a part of the bytes, and then none for the wait until there is room for the rest. One
  # write of many is an entry, not a system call at once.
  def test_a_write_that_finds_no_memory_in_the_middle_says_how_much_went_out
    assert_prints <<~RUBY, "[]\n"
      def cut_write(stream)
        starve(1000)
        Rota.cancel_after(0.05) { stream.write("x" * 500_000) } # the ring needs no memory for it
      rescue NoMemoryError, Errno::ENOMEM, Rota::TimeoutError => e
        e.respond_to?(:bytes_written) ? e.bytes_written : 0
      ensure
        starve(0)
      end

      Rota.run do
        Rota.sleep(0.001)
        wrong = (28..36).reject do |before|
          near, far = streams
          before.times { far.write("-") }
          told = cut_write(far)
          far.close
          near.read.bytesize == before + told
        end
        p wrong
      end
    RUBY
  end

  def test_a_listener_backs_off
    assert_prints <<~RUBY, "true\nserved\n"
      Rota.run do
        listener = Rota.listen("127.0.0.1:0") { |stream| stream << "served" }
        Rota.snooze
        clients = Array.new(40) { TCPSocket.new(*listener.address.split(":")) }
        starve(900)
        20.times do
          Rota.sleep(0.005)
        rescue NoMemoryError
          retry
        end
        puts Storm::Faults.hits(:allocations).positive?
        starve(0)
        puts Rota.connect(listener.address).read
        listener.stop
        clients.each(&:close)
      end
    RUBY
  end

  # A task ends, and its children before it, whatever is missing.
  def test_the_end_of_a_task_needs_no_memory
    assert_prints <<~RUBY, "ended\n"
      Rota.run do
        parent = Rota.spin do
          Rota.spin do
            Rota.suspend
          ensure
            Rota.snooze
          end
          Rota.suspend
        end
        2.times { Rota.snooze }
        starve(1000)
        full = false
        sleepers = []
        until full # so that no alarm can be set for the report about children that do not end
          sleepers << Rota.spin do
            Rota.sleep(60)
          rescue NoMemoryError
            full = true
          end
          Rota.snooze
        end
        parent.terminate
        10.times { Rota.snooze }
        puts "ended" if parent.dead?
        starve(0)
        sleepers.each(&:stop)
      end
    RUBY
  end

  # Who waits makes the worker for another, whose failure it is.
  def test_a_task_that_gets_no_worker_fails_itself
    assert_prints <<~RUBY, "true\nNoMemoryError\nagain\n"
      Rota.run do
        task = Rota.spin { :never }
        begin
          Storm::Faults.set(:raises, 1000)
          Rota.snooze
        rescue NoMemoryError # told to the parent
          Storm::Faults.set(:raises, 0)
        end
        abort "unreachable" if Storm::Faults.hits(:raises).zero?
        puts task.dead?
        begin
          task.await
        rescue NoMemoryError => e
          puts e.class
        end
        puts Rota.spin { "again" }.await
      end
    RUBY
  end

  # Nothing may be raised inside the wait of who is entered.
  def test_a_fiber_that_enters_a_parked_one_is_sent_back_without_memory
    assert_prints <<~RUBY, "back\nwoken\n"
      Rota.run do
        parked_on = nil
        parked = Rota.spin do
          parked_on = Fiber.current
          Rota.sleep(0.02)
          "woken"
        end
        Rota.snooze
        Rota.spin do
          Storm::Faults.set(:raises, 1000)
          starve(1000)
          parked_on.transfer
          puts "back"
        ensure
          Storm::Faults.set(:raises, 0)
          starve(0)
        end.await
        puts parked.await
      end
    RUBY
  end

  def test_a_failure_reaches_the_parent_without_memory
    assert_prints <<~RUBY, "[\"failed\", 3]\n"
      Rota.run do
        Rota.spin do
          starve(1000)
          raise "failed"
        end
        3.times do
          Rota.spin do
            Rota.snooze
            raise "too"
          end
        end
        begin
          Rota.suspend
        rescue => e
          told = []
          3.times do
            Rota.suspend
          rescue => other
            told << other.message
          end
          starve(0)
          p [e.message, told.count("too")]
        end
      end
    RUBY
  end

  def test_a_task_that_cannot_be_given_supervisors_is_not_moved
    assert_prints <<~RUBY, "told\ntold\n[0, true, true]\n[:done, true]\n"
      def told
        Storm::Faults.set(:raises, 1000)
        yield
      rescue NoMemoryError
        Storm::Faults.set(:raises, 0)
        puts "told"
      ensure
        Storm::Faults.set(:raises, 0)
      end

      Rota.run do |root|
        task = Rota.spin { :done }
        task.await
        foreign = Rota.spin { Rota.spin { Rota.suspend }.tap { Rota.snooze } && Rota.suspend }
        Rota.sleep(0.01)
        child = foreign.children.first
        Rota.spin do
          Rota.snooze
          before = Rota.loop.stats[:tasks_alive]
          told { task.restart }
          exit!(!$stderr.write("unreachable\n")) if Storm::Faults.hits(:raises).zero?
          told { child.attach_to(root) }
          p [Rota.loop.stats[:tasks_alive] - before, task.dead?, child.parent.equal?(foreign)]
          child.attach_to(root)
          task.restart
          p [task.await, child.parent.equal?(root)]
          [child, foreign].each(&:stop)
        end
        Rota.supervise
      end
    RUBY
  end

  private

  def assert_prints(script, expected)
    Dir.mktmpdir do |folder|
      library = Storm::Faults.build(folder) or skip "there is no compiler, or no gem fiddle"
      out, err, = run_ruby(PREPARED + script, env: { LD_PRELOAD: library })
      skip "this Ruby's functions cannot be replaced" if err == "unreachable\n"
      assert_equal expected, out, err
    end
  end
end
