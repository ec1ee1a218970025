# frozen_string_literal: true

require "socket"

module Storm
  # A listener whose clients come, talk, leave in the middle, reset and are cut off. What a client gets
  # back is always the beginning of what it sent, and all of it when nobody was hit.
  class Connections < Workload
    CUT = [Errno::ECONNRESET, Errno::EPIPE, Errno::ENOTCONN, Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Rota::ResourceError,
           EOFError].freeze

    def start
      address = random.rand(2).zero? ? "127.0.0.1:0" : "unix:#{Dir.tmpdir}/storm-#{Process.pid}-#{object_id}"
      spin { serve(address) }
    end

    private

    def serve(address)
      listener = Rota.listen(address) { |stream| world.expose { echo(stream) } }
      clients = Array.new(6) { spin_exposed { visit(listener.address) until world.over? } }
      clients.each(&:await)
      check_listener(listener)
    ensure
      listener&.stop
    end

    # Whatever happened, it serves again.
    def check_listener(listener)
      20.times do
        outcome = world.patiently { talk(listener.address, "at the end") }
        return if outcome == :whole

        Rota.sleep(0.05) # its back-off
      end
      broken "the listener serves nobody any more"
    end

    def echo(stream)
      stream.read_loop { |bytes| stream.write(bytes) }
    rescue *World.harmless, IOError
      world.count(:connections_cut)
      reset(stream) if random.rand(3).zero?
    end

    def reset(stream)
      stream.to_io.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 0].pack("ii"))
    rescue SystemCallError, IOError, *World.harmless # on Ruby 4.0 any call may be a switchpoint
      nil
    end

    def visit(address)
      world.count(talk(address, random.bytes(1 + random.rand(3000))))
    rescue *World.harmless
      world.count(:visits_interrupted)
    end

    # => :whole or :cut
    def talk(address, bytes)
      stream = Rota.connect(address)
      return leave(stream, bytes) if random.rand(5).zero?

      writer = Rota.spin { send_whole(stream, bytes) }
      answer = +""
      stream.read_loop { |piece| answer << piece }
      writer.await
      broken "#{answer.bytesize} bytes came back, and they differ" unless bytes.start_with?(answer)
      answer.bytesize == bytes.bytesize ? :whole : :cut
    rescue *CUT
      :cut
    ensure
      writer&.stop
      stream&.close
    end

    def send_whole(stream, bytes)
      stream.write(bytes)
      stream.close_write
    rescue *CUT
      nil # the other direction tells
    end

    # In the middle of it, some with a reset.
    def leave(stream, bytes)
      stream.write(bytes)
      reset(stream) if random.rand(2).zero?
      :left
    end
  end
end
