# frozen_string_literal: true

# One round, in a process of its own: `round.rb SEED SECONDS [EPISODE_SECONDS]`. Prints one line of JSON at the end.

require "json"
require "rota"
require "socket"
require "tmpdir"
require_relative "../support/leaks"
require_relative "../support/tasks"
require_relative "../support/transports"
require_relative "faults"
require_relative "world"
Dir[File.join(__dir__, "{injections,workloads}", "*.rb")].sort.each { |path| require path }

module Storm
  # Some workloads beside some injections, in one Rota.run.
  class Episode
    def initialize(seed, seconds)
      @seed = seed
      @random = Random.new(seed)
      @seconds = seconds
      @engine = Engines::ALL.sample(random: @random)
      @row, @options = Transports.rows_for(@engine, Transports::ROWS).to_a.sample(random: @random)
      @workloads = pick(Workload, 1 + @random.rand(4))
      @injections = pick(Injection, @random.rand(5))
    end

    # A line that says what it is made of.
    def to_s
      names = [@workloads, @injections].map { |kinds| kinds.map { |kind| kind.name[/\w+\z/] }.join(" ") }
      "#{@engine}, #{@row}: #{names.join(' | ')}"
    end

    # => what happened how often
    def run
      before = [Leaks.descriptors, Thread.list]
      world = World.new(@seed, @seconds)
      shelter { Rota.run(engine: @engine, **@options) { weather(world) } }
      audit(*before)
      world.counts
    end

    private

    def pick(base, count)
      kinds = ObjectSpace.each_object(Class).select { |kind| kind < base }.sort_by(&:name)
      kinds = kinds.select { |kind| kind.respond_to?(:possible?) ? kind.possible? : true }
      kinds.sample(count, random: @random)
    end

    def weather(world)
      workloads = @workloads.each_with_index.map { |kind, number| kind.new(world, number) }
      # What raises in this thread begins last and ends first: the others are not to be hit in between.
      injections = @injections.partition { |kind| kind != ThreadRaise }.flatten.map { |kind| kind.new(world) }
      [*workloads, *injections].each(&:start)
      go_on(world) { Rota.sleep(0.005) } until world.over?
      injections.reverse_each { |injection| world.patiently { injection.stop } }
      go_on(world) { Rota.sleep(0.005) } until workloads.all?(&:ended?)
      nil until go_on(world) { Rota.sleep(0.001) } # each gives one of what was raised last
      workloads.each(&:check)
      busy = Leaks.settle(Rota.loop).reject { |line| line.start_with?("tasks_alive") }
      raise Broken, "not at rest: #{busy.join(', ')}" unless busy.empty?

      @finished = true
    end

    # What is raised in the thread after the last switchpoint comes up when the run is over.
    def shelter
      yield
    rescue Interruption
      raise unless @finished
    end

    # The root task is where all sorts of things surface. => false
    def go_on(world)
      yield
    rescue *World.harmless
      world.count(:root_interrupted)
      false
    end

    def audit(descriptors, threads)
      left = [*Leaks.new_threads(threads), *Leaks.new_descriptors(descriptors).map { |line| describe(line) }, *children]
      raise Broken, "left behind: #{left.join(', ')}" unless left.empty?
    end

    # A socket also says whose it is.
    def describe(line)
      return line unless line.include?("socket:")

      socket = Socket.for_fd(line.to_i)
      "#{line} #{socket.local_address.inspect} to #{socket.remote_address.inspect}"
    rescue SystemCallError => e
      "#{line} #{socket.local_address.inspect}: #{e.message}"
    end

    def children
      found = Process.wait(-1, Process::WNOHANG)
      ["child #{found || 'that still runs'}"]
    rescue Errno::ECHILD
      []
    end
  end

  # Episodes until the time is up.
  class Round
    include Tasks

    # From the first episodes on memory may grow by so much: what Ruby's heap and malloc keep, and above all its
    # pool of stacks after an episode with thousands of fibers at a time.
    WARM = 4
    KIB_MORE = 250_000
    MAPS_MORE = 10_000

    def initialize(seed, seconds, episode_seconds)
      @seed = seed
      @seconds = seconds
      @episode_seconds = episode_seconds
      @counts = Hash.new(0)
    end

    def run
      Faults.set(:seed, @seed & 0x7fffffff) if Faults.available?
      ends = now + @seconds
      number = 0
      while now < ends
        weather((@seed * 10_000) + number)
        measure(number += 1)
      end
      puts JSON.generate(episodes: number, counts: @counts, kib: memory, maps: memory_maps)
    end

    private

    def weather(seed)
      episode = Episode.new(seed, @episode_seconds)
      warn "episode #{seed}: #{episode}"
      episode.run.each { |what, times| @counts[what] += times }
    end

    def measure(number)
      @warm = [memory, memory_maps] if number == WARM
      return if number <= WARM

      GC.start
      more = [memory - @warm[0], memory_maps - @warm[1]]
      return if more[0] < KIB_MORE && more[1] < MAPS_MORE

      raise Broken, "#{more[0]} KiB and #{more[1]} maps more than after #{WARM} episodes"
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end

# Ruby opens descriptors of its own for the first thread.
Thread.new { nil }.join
trap(:QUIT) do
  warn Rota.tree, Rota.loop.stats.inspect, Leaks.descriptors.inspect
  Thread.list.each { |thread| warn thread.inspect, thread.backtrace }
end
Storm::Round.new(Integer(ARGV.fetch(0)), Float(ARGV.fetch(1)), Float(ARGV.fetch(2, "1"))).run
