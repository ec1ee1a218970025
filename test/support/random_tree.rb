# frozen_string_literal: true

# A random tree of tasks whose members sleep, wait for each other, do I/O, spin, and raise, cancel,
# stop, terminate and schedule whomever they know. Whatever happens: every task ends exactly once, and
# every ensure block runs exactly once.
class RandomTree
  MOST = 150

  # What a member may be interrupted by, or fail with.
  ANY = [Rota::BaseException, StandardError, NoMemoryError].freeze

  # reader, writer: two ends for their I/O
  def initialize(random, reader, writer)
    @random = random
    @reader = reader
    @writer = writer
    @known = []
    @began = Hash.new(0)
    @ended = Hash.new(0)
    @numbers = 0
    @neighbours = []
  end

  # Trees of other threads, whose members this one's then treat like their own kin.
  attr_writer :neighbours

  # Once more members; call it from the task that is to be their ancestor.
  def grow(depth = 4)
    @known.shift(@known.size - 60) if @known.size > 120 && @known.first(60).all?(&:dead?)
    return if Rota.loop.stats[:tasks_alive] > MOST

    number = (@numbers += 1)
    @known << Rota.spin(number) { live(number, depth) }
  end

  # Ends all members and waits for them. The ancestor is interrupted by every failure that nobody
  # awaits; it goes on.
  def fell
    calmly { Rota::Task.current.children.each(&:terminate) }
    calmly { Rota.snooze } until Rota::Task.current.children.empty?
    # several may have failed in the last turn: each is told at a switchpoint of its own
    nil until calmly { Rota.snooze }
  end

  # @return [Boolean] was it not interrupted?
  def calmly
    yield
    true
  rescue *ANY
    false
  end

  # @return [Array<String>] what went wrong, in words
  def faults
    [("began #{@began.size}, ended #{@ended.size}" unless @began == @ended),
     ("some began or ended more than once" if @began.any? { |_, times| times != 1 }),
     ("some are alive" unless @known.all?(&:dead?))].compact
  end

  def size = @numbers

  # One of those that it knows, for whichever thread; nil before there is one.
  def member(random) = @known.sample(random: random)

  private

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
  rescue *ANY
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

  def some
    neighbour = @neighbours.sample(random: @random) if @random.rand(3).zero?
    neighbour ? neighbour.member(@random) : member(@random)
  end
end
