# frozen_string_literal: true

require "socket"

module Storm
  # Datagrams arrive whole, with their sender, and descriptors that are handed over arrive once.
  class Messages < Workload
    def start
      tasks = [spin_exposed { datagrams until world.over? }, spin_exposed { descriptors until world.over? }]
      spin { tasks.each(&:await) }
    end

    private

    def datagrams
      near, far = UNIXSocket.pair(:DGRAM)
      20.times do |number|
        message = "#{number} #{random.bytes(random.rand(500))}".b
        world.patiently { Rota.loop.sendmsg(near, message) }
        received, = world.patiently { Rota.loop.recvmsg(far, 1000) }
        broken "another datagram came" unless received == message
        world.count(:datagrams)
      end
    rescue Errno::EMFILE
      world.count(:messages_refused)
      world.patiently { Rota.sleep(0.001) }
    ensure
      world.close([near, far])
    end

    def descriptors
      near, far = UNIXSocket.pair
      reader, writer = IO.pipe
      pass(near, far, writer)
      world.count(:descriptors)
    rescue Errno::EMFILE, IOError
      world.count(:messages_refused)
      world.patiently { Rota.sleep(0.001) }
    ensure
      world.close([near, far, reader, writer])
    end

    # With no number free the kernel drops what it would hand over, which is told by IOError.
    def pass(near, far, writer)
      world.patiently { Rota.loop.send_io(near, writer) }
      passed = world.patiently { Rota.loop.recv_io(far) }
      broken "another file was passed" unless passed.stat.ino == writer.stat.ino
    ensure
      passed&.close
    end
  end

  # Many requests in one submission, and one after the other, longer than a ring is.
  class Batches < Workload
    def start
      tasks = Array.new(2) { spin_exposed { one_round until world.over? } }
      spin { tasks.each(&:await) }
    end

    private

    def one_round
      pairs = []
      (1 + random.rand(12)).times { pairs << UNIXSocket.pair }
      random.rand(2).zero? ? batch(pairs) : chain(pairs)
      world.count(:batches)
    rescue *World.harmless, Errno::EMFILE
      world.count(:batches_interrupted)
    ensure
      world.close(pairs.flatten)
    end

    def batch(pairs)
      sent = pairs.map { random.bytes(1 + random.rand(1000)) }
      results = bounded do
        Rota.loop.batch do |b|
          pairs.each_with_index do |(near, far), index|
            b.read(far, 2000)
            b.write(near, sent[index])
          end
        end
      end
      results.each { |result| raise result if result.is_a?(Exception) }
      came = results.each_slice(2).zip(pairs).map do |(bytes, written), (_, far)|
        bytes + rest(far, written - bytes.bytesize)
      end
      broken "other bytes came in a batch" unless came == sent
    end

    # A write that finds no memory to wait in fails, and nobody sends what its reader waits for.
    def bounded(&block)
      return yield unless world.starved

      Rota.cancel_after(1, with_exception: NoMemoryError, &block)
    end

    # Behind a short send.
    def rest(far, size)
      rest = +""
      rest << Rota.loop.read(far, size - rest.bytesize) while rest.bytesize < size
      rest
    end

    def chain(pairs)
      sent = pairs.map { random.bytes(1 + random.rand(1000)) }
      results = Rota.loop.chain do |c|
        pairs.each_with_index do |(near, far), index|
          c.write(near, sent[index])
          c.read(far, sent[index].bytesize)
        end
      end
      broken "other bytes came in a chain" unless results.each_slice(2).map(&:last) == sent
    rescue Rota::ChainError => e
      raise e.cause || e
    end
  end
end
