# frozen_string_literal: true

require "test_helper"

# One loop per Ractor. In processes of their own: Ractors warn, and threads of theirs stay.
class RactorTest < RotaTest
  # All Ractors share one pool of fiber stacks, on Ruby 3.1 and 3.3 without a lock: fibers made in two
  # Ractors at once crash, also without Rota. On 4.0 they do not.
  FIBERS_CRASH = RUBY_VERSION < "4.0"

  def test_each_ractor_has_a_loop_of_its_own
    skip "Ruby #{RUBY_VERSION} crashes by itself" if FIBERS_CRASH

    assert_program "[0, 1, 2, 3]\n", <<~RUBY
      ractors = 4.times.map { |i| Ractor.new(i) { |n| Rota.run { Rota.spin { Rota.sleep(0.01); n }.await } } }
      p ractors.map { |ractor| result(ractor) }
    RUBY
  end

  def test_beside_a_run_in_the_main_ractor
    skip "Ruby #{RUBY_VERSION} crashes by itself" if FIBERS_CRASH

    assert_program "[:main, :other]\n", <<~RUBY
      ractor = Ractor.new { Rota.run { Rota.sleep(0.02); :other } }
      p [Rota.run { Rota.spin { Rota.sleep(0.03); :main }.await }, result(ractor)]
    RUBY
  end

  def test_many_switches_in_each
    skip "Ruby #{RUBY_VERSION} crashes by itself" if FIBERS_CRASH

    assert_program "[300, 300]\n", <<~RUBY
      ractors = 2.times.map do
        Ractor.new { Rota.run { Array.new(300) { |i| Rota.spin { Rota.sleep(0.0001 * (i % 7)); 1 } }.sum(&:await) } }
      end
      p ractors.map { |ractor| result(ractor) }
    RUBY
  end

  def test_a_ractor_has_a_loop
    assert_program "5\n", "p result(Ractor.new { Rota.run { Rota.spin { Rota.sleep(0.01) && 5 }.await } })"
  end

  # Without the mask of the run in which it was started.
  def test_an_exception_in_a_ractor_that_computes
    assert_program ":raised\n", <<~RUBY
      ractor = Rota.run do
        Ractor.new do
          computing = Thread.current
          Thread.new { sleep 0.02; computing.raise(KeyError) }
          till = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 2
          nil while Process.clock_gettime(Process::CLOCK_MONOTONIC) < till
          :computed
        rescue KeyError
          :raised
        end
      end
      p result(ractor)
    RUBY
  end

  def test_one_after_the_other
    assert_program "[0, 1, 2]\n", <<~RUBY
      p Array.new(3) { |i| result(Ractor.new(i) { |n| Rota.run { Rota.spin { Rota.sleep(0.001) && n }.await } }) }
    RUBY
  end

  def test_io
    assert_program "from a ractor\n", <<~RUBY
      ractor = Ractor.new do
        Rota.run do
          reader, writer = IO.pipe
          read = Rota.spin { Rota.loop.read(reader, 100) }
          Rota.loop.write(writer, "from a ractor")
          read.await
        end
      end
      puts result(ractor)
    RUBY
  end

  def test_processes
    assert_program "[\"out\\n\", 3, false]\n", <<~RUBY
      ractor = Ractor.new do
        Rota.run do
          out, _, status = Rota.capture("echo out; exit 3")
          [out, status.exitstatus, Rota.system("exit 1")]
        end
      end
      p result(ractor)
    RUBY
  end

  def test_a_deadlock
    assert_program "Rota::Deadlock\n", <<~RUBY
      puts result(Ractor.new { begin; Rota.run { Rota.suspend }; rescue Rota::Deadlock => e; e.class.name; end })
    RUBY
  end

  def test_a_failure
    assert_program "KeyError\n", <<~RUBY
      ractor = Ractor.new { begin; Rota.run { Rota.spin { raise KeyError }; Rota.sleep }; rescue KeyError => e; e.class.name; end }
      puts result(ractor)
    RUBY
  end

  # Nobody would tell us the end of its thread.
  def test_outside_of_run_it_is_an_error
    assert_program "Rota::Error\n", <<~RUBY
      ractor = Ractor.new { begin; Rota.sleep(0); rescue StandardError => e; e.class.name; end }
      puts result(ractor)
    RUBY
  end

  private

  def assert_program(expected, program)
    out, err, status = run_ruby(<<~RUBY + program)
      require "rota"
      Warning[:experimental] = false
      def result(ractor) = ractor.respond_to?(:value) ? ractor.value : ractor.take
    RUBY
    assert_equal [expected, true], [out, status.success?], err
  end
end
