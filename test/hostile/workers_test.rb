# frozen_string_literal: true

require "test_helper"

# Tasks by the million: what a task leaves behind must be nothing, on whatever heap it runs.
class WorkersTest < RotaTest
  time_limit 600

  # ROTA_FULL=1: a million tasks and the heap of a large application; otherwise a part of that.
  FULL = ENV["ROTA_FULL"] == "1"
  TASKS = FULL ? 1_000_000 : 60_000
  LIVE_OBJECTS = FULL ? 1_500_000 : 150_000

  def test_short_tasks_leave_memory_and_maps_flat
    assert_flat("Rota.spin { nil }")
  end

  def test_tasks_that_park_leave_memory_and_maps_flat
    # a build with small limits keeps one idle fiber, and retires the others
    assert_flat("Rota.spin { Rota.snooze }", tasks: TASKS / 2, maps: 10_000)
  end

  def test_tasks_that_fail_leave_memory_and_maps_flat
    assert_flat("Rota.spin { raise KeyError }", tasks: TASKS / 4)
  end

  # Their fibers are retired: the stacks go when the collector comes, so it has to come in time.
  def test_tasks_that_dirty_their_fiber_leave_the_maps_bounded
    assert_flat("Rota.spin { Fiber.current.instance_variable_set(:@dirty, 1) }", tasks: TASKS / 4, maps: 12_000,
                                                                                 rss: 500)
  end

  def test_tasks_that_are_stopped_before_they_begin
    assert_flat("Rota.spin { nil }.stop")
  end

  # The collector comes seldom on a large heap, and hardly ever with such settings.
  def test_short_tasks_beside_many_live_objects
    assert_flat("Rota.spin { nil }", live: LIVE_OBJECTS, rss: 250) # garbage between two collections
  end

  def test_dirty_tasks_beside_many_live_objects
    assert_flat("Rota.spin { Fiber.current.instance_variable_set(:@dirty, 1) }",
                tasks: TASKS / 4, live: LIVE_OBJECTS, maps: 12_000, rss: 500)
  end

  # Many at once, again and again: the idle ones are bounded, the others are retired.
  def test_bursts_of_tasks_leave_the_maps_bounded
    out, err, status = run_ruby(<<~RUBY, timeout: 300)
      #{PRELUDE}
      peak = 0
      Rota.run do
        8.times do
          Rota.spin_scope do
            4000.times { Rota.spin { Rota.sleep(0.001) } }
          end
          peak = [peak, maps].max
        end
      end
      puts peak
    RUBY
    assert_predicate status, :success?, err
    assert_operator out.to_i, :<, 30_000
  end

  # A fiber of a loop that was closed waits for the collector like one that was retired.
  def test_runs_in_a_row_leave_the_maps_bounded_even_if_nothing_else_starts_the_collector
    out, err, status = run_ruby(<<~RUBY, timeout: 300)
      #{PRELUDE}
      GC.disable
      peak = 0
      #{FULL ? 40_000 : 10_000}.times do |i|
        Rota.run { Rota.spin { Rota.snooze }; Rota.spin { nil } }
        peak = [peak, maps].max if i % 500 == 0
      end
      puts peak
    RUBY
    assert_predicate status, :success?, err
    assert_operator out.to_i, :<, 20_000
  end

  # Between two tasks no task runs, but a trap handler or a finalizer may, wherever Ruby code is called.
  def test_what_runs_while_a_worker_is_made_clean_belongs_to_the_root_task
    assert_seen_by_the_root(<<~RUBY)
      Thread.current.define_singleton_method(:keys) { note && super() }
      Rota.run(&root_of { 3.times { Rota.spin { nil }.await } })
    RUBY
  end

  def test_what_runs_while_a_fiber_is_retired_belongs_to_the_root_task
    assert_seen_by_the_root(<<~RUBY)
      GC.singleton_class.prepend(Module.new { def start(...) = note && super })
      Rota.run(&root_of { 4200.times { Rota.spin { Fiber.current.instance_variable_set(:@dirty, 1) }.await } })
    RUBY
  end

  # An idle worker runs the loop when the last one to park was its task.
  def test_what_runs_on_an_idle_worker_belongs_to_the_root_task
    assert_seen_by_the_root(<<~RUBY)
      Rota.singleton_class.prepend(Module.new { def tree(...) = note && super })
      begin
        Rota.run(&root_of { Rota.spin { Rota.snooze } && Rota.suspend })
      rescue Rota::Deadlock
        # which drew the tree
      end
    RUBY
  end

  private

  def assert_seen_by_the_root(program)
    out, err, status = run_ruby(<<~RUBY)
      require "rota"
      $seen = []
      def note = $seen << Rota.current.tag
      def root_of = proc { |root| (root.tag = :root) && yield }
      #{program}
      p $seen.uniq
    RUBY
    assert_equal ["[:root]\n", true], [out, status.success?], err
  end

  PRELUDE = <<~RUBY
    require "rota"
    def maps = File.foreach("/proc/self/maps").count
    def rss = File.read("/proc/self/status")[/VmRSS:\\s+(\\d+)/, 1].to_i / 1024
  RUBY

  # Never more than 100 tasks alive. rss: how many MiB it may grow by after the first tenth.
  def assert_flat(spin, tasks: TASKS, live: 0, maps: 2000, rss: 60)
    out, err, status = run_ruby(<<~RUBY, timeout: 550)
      #{PRELUDE}
      live = Array.new(#{live}) { |i| "object number \#{i}" }
      peak_maps = 0
      first_rss = last_rss = 0
      Rota.run do
        rounds = #{tasks} / 100
        rounds.times do |round|
          spun = Array.new(100) { #{spin} }
          spun.each { |task| begin; task.await; rescue KeyError; end }
          next unless round % (rounds / 10) == 0

          peak_maps = [peak_maps, maps].max
          last_rss = rss
          first_rss = last_rss if round == rounds / 10
        end
        stats = Rota.loop.stats
        puts stats[:tasks_alive], peak_maps, last_rss - first_rss
        warn "#{spin}: \#{stats[:spins]} tasks, \#{live.size} live, maps \#{peak_maps}, rss \#{first_rss} -> \#{last_rss} MiB" if ENV["ROTA_FULL"]
      end
    RUBY
    assert_predicate status, :success?, err
    puts err if FULL
    alive, peak_maps, grown = out.split.map(&:to_i)
    assert_equal 1, alive
    assert_operator peak_maps, :<, maps, "memory maps"
    assert_operator grown, :<, rss, "MiB grown"
  end
end
