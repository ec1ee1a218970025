# frozen_string_literal: true

require "timeout"

module Storm
  # Ruby's own IO, Queue, Mutex and Timeout, which cooperate through the scheduler.
  class PlainRuby < Workload
    def start
      @mutex = Thread::Mutex.new
      @inside = 0
      @queue = Thread::SizedQueue.new(3)
      @passed = []
      pairs = Array.new(3) { spin_exposed { pipes } }
      locks = Array.new(3) { spin_exposed { lock_and_time } }
      producer = spin_exposed { produce }
      consumer = spin_exposed { consume }
      spin { [*pairs, *locks, producer, consumer].each(&:await) }
    end

    def check
      broken "the mutex is still locked" if @mutex.locked?
      broken "items came in another order" unless @passed == (0...@passed.size).to_a
      world.count(:plain_items, @passed.size)
    end

    private

    # What was written is read, whoever was interrupted: the writer says what went out only when it
    # was not, so each message has a pipe of its own.
    def pipes
      until world.over?
        message = random.bytes(1 + random.rand(100_000))
        begin
          world.count(through_pipe(message) == message ? :plain_messages : broken("a message was changed"))
        rescue *World.harmless, Errno::EMFILE
          world.count(:plain_interrupted)
        end
      end
    end

    def through_pipe(message)
      reader, writer = IO.pipe
      writing = Rota.spin { writer.write(message) && writer.close }
      reader.read.b.tap { writing.await }
    ensure
      writing&.stop
      writing&.join
      world.close([reader, writer])
    end

    def lock_and_time
      until world.over?
        begin
          random.rand(2).zero? ? time : lock
        rescue *World.harmless
          world.count(:plain_interrupted)
        end
      end
    end

    def lock
      @mutex.synchronize do
        @inside += 1
        broken "#{@inside} are inside" if @inside > 1
        sleep(random.rand * 0.0005)
      ensure
        @inside -= 1
      end
    end

    def time
      limit = random.rand * 0.002
      began = world.now
      Timeout.timeout(limit) { sleep(random.rand * 0.004) }
    rescue Timeout::Error
      early = limit - (world.now - began)
      broken "Timeout came #{early} s early" if early > 0.0001
    end

    def produce
      number = 0
      until world.over?
        begin
          @queue.push(number)
          number += 1
        rescue *World.harmless
          next # not pushed
        end
      end
      world.patiently { @queue.push(:end) }
    end

    def consume
      until (item = world.patiently { @queue.pop }) == :end
        @passed << item
      end
    end
  end
end
