# frozen_string_literal: true

require "test_helper"

# A random tree of tasks whose members sleep, wait for each other, do I/O, spin, and raise, cancel,
# stop, terminate and schedule whomever they know. Whatever happens: every task ends exactly once,
# every ensure block runs exactly once, and nothing is left.
class RandomCancelTest < RotaTest
  time_limit 120

  SECONDS = Float(ENV.fetch("ROTA_HOSTILE_SECONDS", "2"))

  def test_every_task_ends_once
    storm(entries: nil)
  end

  def test_every_task_ends_once_with_a_ring_of_two
    storm(entries: 2)
  end

  def test_every_task_ends_once_without_features
    storm(without: %i[registered_files defer_taskrun])
  end

  def test_every_task_ends_once_beside_another_thread
    stop = false
    thread = Thread.new { sleep(0.001) until stop }
    storm(entries: nil)
  ensure
    stop = true
    thread&.join
  end

  private

  def seed = @seed ||= Integer(ENV.fetch("ROTA_SEED", Minitest.seed))

  def storm(**options)
    @random = Random.new(seed)
    @known = []
    @began = Hash.new(0)
    @ended = Hash.new(0)
    @reader, @writer = socket_pair
    at_rest = Rota.run(**options.compact) { |root| run_storm(root) }
    assert_equal @began, @ended, "seed #{seed}"
    assert_empty @began.reject { |_, times| times == 1 }, "seed #{seed}"
    assert_empty at_rest, "seed #{seed}"
    assert(@known.all?(&:dead?), "seed #{seed}")
  end

  def run_storm(_root)
    deadline = now + SECONDS
    grow(4) while now < deadline && calmly { Rota.sleep(0.0005) }
    calmly { Rota::Task.current.children.each(&:terminate) }
    calmly { Rota.snooze } until Rota::Task.current.children.empty?
    # several may have failed in the last turn: each is told at a switchpoint of its own
    nil until caught(Rota::BaseException, StandardError) { Rota.snooze }.nil?
    Leaks.in_flight(Rota.loop.stats)
  end

  # The root task is interrupted by every failure that nobody awaits; it goes on.
  def calmly
    yield
    true
  rescue Rota::BaseException, StandardError
    true
  end

  def grow(depth)
    @known.shift(@known.size - 60) if @known.size > 120 && @known.first(60).all?(&:dead?)
    return if Rota.loop.stats[:tasks_alive] > 150

    number = (@numbers = (@numbers || 0) + 1)
    @known << Rota.spin(number) { live(number, depth) }
  end

  def live(number, depth)
    @began[number] += 1
    (1 + @random.rand(6)).times { act(depth) }
    number
  ensure
    clean_up if @random.rand(4).zero?
    @ended[number] += 1
  end

  def clean_up
    case @random.rand(3)
    when 0 then Rota.shield { Rota.sleep(0.0003) }
    when 1 then Rota.snooze
    when 2 then Rota.move_on_after(0.0002) { Rota.sleep(0.001) }
    end
  rescue Rota::BaseException, StandardError
    nil # interrupted in the clean-up, which is allowed
  end

  def act(depth)
    case @random.rand(18)
    when 0..2 then Rota.sleep(@random.rand * 0.002)
    when 3..4 then Rota.snooze
    when 5 then Rota.move_on_after(@random.rand * 0.001) { Rota.suspend }
    when 6..7 then depth.positive? && grow(depth - 1)
    when 8 then Rota.move_on_after(0.003) { some&.await }
    when 9 then scope(depth)
    when 10 then Rota.loop.write(@writer, "x")
    when 11 then Rota.move_on_after(@random.rand * 0.0005) { Rota.loop.read(@reader, 3) }
    when 12 then some&.schedule(@random.rand(9))
    when 13 then some&.stop(:stopped)
    when 14 then some&.terminate
    when 15 then some&.raise(KeyError)
    when 16 then some&.cancel
    when 17 then raise IndexError if @random.rand(4).zero?
    end
  rescue Rota::Error # of a task that awaits itself, or itself through another
    nil
  end

  def scope(depth)
    Rota.spin_scope { 2.times { grow(depth - 1) } } if depth.positive?
  end

  def some = @known.sample(random: @random)

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
end
