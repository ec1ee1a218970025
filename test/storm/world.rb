# frozen_string_literal: true

require "zlib"

# The hostile suite: everything that the contract allows at once, while everything that can go wrong
# does. `rake "test:hostile[60]"` runs it for an hour, in rounds of some seconds; each round is a
# process of its own, whose choices follow from its seed.
#
# A round has episodes, each a Rota.run of its own with some workloads and some injections. A workload
# keeps account of what it sent, took, began and ended, and says at the end what is missing. An
# injection does harm that a workload must survive.
module Storm
  # What injections raise in tasks and threads. A workload goes on where it was.
  class Interruption < StandardError; end

  # A workload's books do not balance.
  class Broken < StandardError; end

  # What the workloads and injections of one episode share.
  class World
    # @return [Hash] what happened how often, for the report
    attr_reader :counts
    # @return [Boolean] do calls of rota.so fail now and then for want of memory?
    attr_accessor :starved

    def initialize(seed, seconds)
      @seed = seed
      @ends = now + seconds
      @counts = Hash.new(0)
      @exposed = []
    end

    # Each user has a generator of its own, so that the order in which they run changes no choices.
    def random_for(name) = Random.new(@seed ^ Zlib.crc32(name))

    def over? = now >= @ends

    def count(what, by = 1) = @counts[what] += by

    # While the block runs, injections may hit the task that runs it.
    def expose
      @exposed << (task = Rota.current)
      yield
    ensure
      @exposed.delete(task)
    end

    def victim(random)
      task = @exposed.sample(random: random)
      task if task&.alive?
    end

    # The block's value; again and again while injections hit it.
    def patiently
      yield
    rescue *self.class.harmless
      count(:interrupted)
      retry
    end

    # Also in a task that is interrupted meanwhile.
    def close(ios)
      ios.each { |io| patiently { io&.close } }
    end

    # What may be raised anywhere and means no fault.
    def self.harmless = [Interruption, NoMemoryError, Errno::ENOMEM]

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  # The base of all workloads: tasks that end by themselves once the world is over.
  class Workload
    def initialize(world, number)
      @world = world
      @name = "#{self.class.name} #{number}"
      @random = world.random_for(@name)
      @tasks = []
    end

    # Spins the tasks.
    def start = raise(NotImplementedError)

    # After all tasks have ended: raises Broken when something is missing.
    def check = nil

    def ended? = @tasks.all?(&:dead?)

    private

    attr_reader :world, :random

    # A task that injections leave alone: it keeps books.
    def spin(&block)
      task = Rota.spin(@name, &block)
      @tasks << task
      task
    end

    # One that they may hit.
    def spin_exposed(&block) = Rota.spin(@name) { world.expose(&block) }

    # The block, sometimes under a deadline that it may miss: then :late.
    def sometimes_limited(&block)
      return yield unless random.rand(4).zero?

      Rota.move_on_after(random.rand * 0.001, with_value: :late, &block)
    end

    def broken(text) = raise(Broken, "#{@name}: #{text}")
  end

  # The base of all injections.
  class Injection
    # Can it be done here?
    def self.possible? = true

    def initialize(world)
      @world = world
      @random = world.random_for(self.class.name)
    end

    def start = nil

    # Undoes what would outlive the episode.
    def stop = nil

    private

    attr_reader :world, :random

    # Calls the block every now and then, in a task.
    def every(seconds)
      Rota.spin(self.class.name) do
        until world.over?
          world.patiently { Rota.sleep(random.rand * 2 * seconds) }
          yield unless world.over? # it has been stopped
        end
      end
    end

    # The same in a native thread.
    def every_in_thread(seconds)
      @thread = Thread.new do
        until world.over? || @stopped
          sleep(random.rand * 2 * seconds)
          yield unless world.over?
        end
      end
    end

    def end_thread
      @stopped = true
      @thread&.join
    end
  end
end
