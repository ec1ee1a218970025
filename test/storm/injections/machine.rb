# frozen_string_literal: true

module Storm
  # Objects move, and every allocation collects.
  class Collector < Injection
    def start
      every(0.02) { random.rand(3).zero? ? stress : collect }
    end

    def stop = GC.stress = false

    private

    def stress
      GC.stress = true
      (1 + random.rand(3)).times { Rota.snooze }
    ensure
      GC.stress = false
    end

    def collect
      random.rand(2).zero? && GC.respond_to?(:compact) ? GC.compact : GC.start(full_mark: random.rand(2).zero?)
      world.count(:collections)
    end
  end

  # No further descriptor for some milliseconds: EMFILE.
  class Descriptors < Injection
    def start
      @limit = Process.getrlimit(:NOFILE)
      every(0.02) do
        Process.setrlimit(:NOFILE, open_descriptors, @limit[1])
        world.count(:times_without_descriptors)
        Rota.sleep(random.rand * 0.005)
      ensure
        Process.setrlimit(:NOFILE, *@limit)
      end
    end

    def stop = Process.setrlimit(:NOFILE, *@limit)

    private

    def open_descriptors = Dir.children("/proc/self/fd").size
  end

  # Other threads wake the loop all the time, for nothing.
  class WakeUps < Injection
    def start
      found = Rota.loop
      every_in_thread(0.0002) { 1.upto(1 + random.rand(20)) { found.wakeup } }
    end

    def stop = end_thread
  end

  # A thread that computes and keeps Ruby's lock.
  class BusyThread < Injection
    def start
      every_in_thread(0.005) { 1.upto(20_000) { |n| n * n } }
    end

    def stop = end_thread
  end

  # Sockets take a part of what they are given, or nothing now.
  class ShortSends < Injection
    def self.possible? = Faults.available?

    def start
      Faults.set(:short_sends, 300)
      Faults.set(:busy_sockets, 200)
    end

    def stop
      world.count(:short_sends, Faults.hits(:short_sends))
      Faults.set(:short_sends, 0)
      Faults.set(:busy_sockets, 0)
    end
  end

  # No memory, now and then, wherever rota.so asks for some itself.
  class Starvation < Injection
    def self.possible? = Faults.available?

    def start
      world.starved = true
      every(0.002) do
        Faults.set(:allocations, [0, 0, 50, 500].sample(random: random))
      end
    end

    def stop
      Faults.set(:allocations, 0)
      world.count(:failed_allocations, Faults.hits(:allocations))
    end
  end

  # Somebody sets the time of day, hours back and forth.
  class ClockSteps < Injection
    def self.possible? = Faults.available?

    def start
      every(0.003) { Faults.set(:clock, random.rand(-100_000..100_000)) }
    end

    def stop = Faults.set(:clock, 0)
  end
end
