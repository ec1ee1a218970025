# frozen_string_literal: true

module Storm
  # Items from many tasks and threads to many tasks: each arrives once.
  class Queues < Workload
    def start
      @queue = Rota::Queue.new(capacity: [nil, 1, 10].sample(random: random))
      @pushed = Hash.new(0)
      @abroad = Hash.new(0)
      @taken = Hash.new(0)
      @number = 0
      producers = Array.new(1 + random.rand(4)) { spin_exposed { produce } }
      @thread = Thread.new { produce_abroad } if random.rand(2).zero?
      consumers = Array.new(1 + random.rand(4)) { spin_exposed { consume } }
      spin { finish(producers, consumers) }
    end

    def check
      @pushed.update(@abroad)
      lost = @pushed.reject { |item, _| @taken[item] == 1 }
      broken "#{lost.size} of #{@pushed.size} items were not taken once: #{lost.keys.first(5)}" unless lost.empty?
      broken "#{@taken.size - @pushed.size} items came from nowhere" unless @taken.size == @pushed.size
      world.count(:items, @taken.size)
    end

    private

    def finish(producers, consumers)
      producers.each(&:await)
      world.patiently { Rota.sleep(0.002) } while @thread&.alive?
      @thread&.join
      consumers.each { @queue.push(:end) }
      consumers.each(&:await)
    end

    def produce
      until world.over?
        push(@number += 1)
        world.patiently { random.rand(3).zero? ? Rota.sleep(0.0001) : Rota.snooze }
      end
    end

    def push(item)
      result = sometimes_limited { @queue.push(item) }
      @pushed[item] += 1 unless result == :late
    rescue *World.harmless
      nil # not pushed
    end

    # Until it is full for good: the consumers end with the producers of this thread. In books of its own: a Hash that
    # two threads fill is broken by core where a key is an Array (whose hash is a call, in which they may switch).
    def produce_abroad
      numbers = Random.new(1)
      500.times do |n|
        item = [:abroad, n]
        @abroad[item] += 1 if @queue.push(item, timeout: 2)
        sleep(numbers.rand * 0.003)
        break if world.over?
      end
    end

    def consume
      loop do
        item = take
        next if item == :late
        break if item == :end

        @taken[item] += 1
      end
    end

    def take
      return sometimes_limited { @queue.shift } if random.rand(3).positive?

      source, item = Rota.select(@queue, timeout: 0.002)
      source ? item : :late
    rescue *World.harmless
      :late
    end
  end

  # Never two inside a mutex, never more than its permits inside a semaphore, and all free at the end.
  class Locks < Workload
    def start
      @mutex = Rota::Mutex.new
      @semaphore = Rota::Semaphore.new(2)
      @inside = Hash.new(0)
      @entries = 0
      3.times { spin_exposed { work } }
      tasks = Array.new(4) { spin_exposed { work } }
      spin { tasks.each(&:await) }
    end

    def check
      broken "the mutex is still locked" if @mutex.locked?
      broken "#{@semaphore.available} of 2 permits are left" unless @semaphore.available == 2
      world.count(:locked, @entries)
    end

    private

    def work
      until world.over?
        begin
          sometimes_limited { random.rand(2).zero? ? locked : permitted }
        rescue *World.harmless
          world.count(:waits_interrupted)
        end
      end
    end

    def locked = @mutex.synchronize { enter(:mutex, 1) }

    def permitted = @semaphore.acquire { enter(:semaphore, 2) }

    def enter(what, most)
      @inside[what] += 1
      @entries += 1
      broken "#{@inside[what]} tasks are inside the #{what}" if @inside[what] > most
      random.rand(2).zero? ? Rota.snooze : Rota.sleep(random.rand * 0.0005)
    ensure
      @inside[what] -= 1
    end
  end

  # A deadline interrupts its own block, after its time and not before.
  class Deadlines < Workload
    def start
      tasks = Array.new(20) { spin_exposed { nest(4) until world.over? } }
      spin { tasks.each(&:await) }
    end

    private

    def nest(depth)
      seconds = random.rand * 0.003
      began = world.now
      result = Rota.move_on_after(seconds, with_value: [:late, depth]) { wait(depth) }
      check_result(result, depth, began, seconds)
      result
    rescue *World.harmless
      nil
    end

    def wait(depth)
      return nest(depth - 1) if depth.positive? && random.rand(2).zero?

      Rota.sleep(random.rand * 0.003)
      [:done, depth]
    end

    def check_result(result, depth, began, seconds)
      return world.count(:in_time) unless result == [:late, depth]

      world.count(:late)
      early = seconds - (world.now - began)
      broken "a deadline came #{early} s early" if early.positive?
    end
  end
end
