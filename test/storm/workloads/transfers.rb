# frozen_string_literal: true

require "socket"

module Storm
  # Bytes from one end to the other, by all ways to read and write. Whatever hits the two tasks, the
  # reader gets what the writer sent: each byte once, in order.
  class Transfer < Workload
    TOTAL = 200_000

    def start
      spin { transfer until world.over? }
    end

    private

    def transfer
      tape = random.bytes(1 + random.rand(TOTAL))
      ends = open_ends or return
      tasks = [spin_exposed { send_all(ends.last, tape) }, spin_exposed { receive_all(ends.first, tape) }]
      sent, received = tasks.map(&:await)
      return world.count(:transfers_cut) if [sent, received].include?(:cut)

      whole = [sent, received].all?(tape.bytesize)
      broken "#{sent} bytes sent of #{tape.bytesize}, #{received} received" unless whole
      world.count(:transfers)
      world.count(:bytes, sent)
    ensure
      ends&.each { |io| close(io) }
    end

    def open_ends
      wrap(pair)
    rescue Errno::EMFILE
      nil
    end

    # => [reader, writer], Ruby's own
    def pair
      case random.rand(3)
      when 0 then IO.pipe
      when 1 then UNIXSocket.pair
      else tcp_pair
      end
    end

    def tcp_pair
      listener = TCPServer.new("127.0.0.1", 0)
      client = TCPSocket.new("127.0.0.1", listener.addr[1])
      [listener.accept_nonblock, client] # a blocking one, hit by Thread#raise, loses what it accepted
    rescue Errno::EMFILE
      client&.close
      raise
    ensure
      listener&.close
    end

    # Here they become streams.
    def wrap(ios)
      ios.map do |io|
        io.autoclose = false
        Rota::Stream.for_fd(io.fileno)
      end
    end

    def close(stream) = stream.closed? || world.patiently { stream.close }

    def send_all(stream, tape)
      at = 0
      at += send_piece(stream, tape.byteslice(at, 1 + random.rand(20_000))) while at < tape.bytesize
      close(stream)
      at
    rescue Errno::EPIPE, Errno::ECONNRESET
      :cut # the reader gave up
    end

    # How many bytes went out, if the task was hit in the middle too.
    def send_piece(stream, piece)
      sent = 0
      sometimes_limited do
        sent = write(stream, piece)
      rescue *World.harmless, Rota::BaseException => e
        sent = e.bytes_written if e.respond_to?(:bytes_written)
        raise
      end
      sent
    rescue *World.harmless
      world.count(:writes_interrupted)
      sent
    end

    def write(stream, piece)
      case random.rand(4)
      when 0 then stream.write(piece)
      when 1 then stream.write(piece.byteslice(0, 10), piece.byteslice(10..) || "")
      when 2 then Rota.loop.write(stream, piece)
      when 3 then Rota.loop.write_some(stream, piece)
      end
    end

    def receive_all(stream, tape)
      at = 0
      while (bytes = receive(stream))
        next if bytes == :late

        bytes = bytes.b
        expected = tape.byteslice(at, bytes.bytesize)
        broken "other bytes came at #{at}: #{bytes[0, 40].dump}" unless expected == bytes
        at += bytes.bytesize
      end
      at
    rescue Errno::ENOMEM
      raise unless world.starved # what was received is lost with the memory, and the reader is told

      :cut
    ensure
      close(stream)
    end

    def receive(stream)
      sometimes_limited { read(stream) }
    rescue Interruption, NoMemoryError
      world.count(:reads_interrupted)
      :late
    end

    def read(stream)
      case random.rand(5)
      when 0 then stream.readpartial(1 + random.rand(20_000))
      when 1 then stream.read(1 + random.rand(5000))
      when 2 then stream.gets
      when 3 then stream.gets(1 + random.rand(100))
      when 4 then stream.eof? ? nil : stream.readpartial(1)
      end
    rescue EOFError
      nil
    end
  end

  # The same by the verbs of the loop on Ruby's own IOs, into memory that is lent to the kernel. What
  # a read was lent and got back must never change later.
  class VerbTransfer < Transfer
    LENT = "\xAA".b

    private

    def wrap(ios) = ios

    def close(io)
      world.patiently { Rota.loop.close(io) } unless io.closed?
    rescue IOError, Errno::EBADF
      nil
    end

    def write(io, piece)
      case random.rand(3)
      when 0 then Rota.loop.write(io, piece)
      when 1 then Rota.loop.write(io, piece.byteslice(0, 10), piece.byteslice(10..) || "")
      when 2 then Rota.loop.write_some(io, piece)
      end
    end

    def receive_all(io, tape)
      @given_back = []
      super
    ensure
      check_given_back
    end

    def read(io)
      case random.rand(3)
      when 0 then Rota.loop.read(io, 1 + random.rand(20_000))
      when 1 then io.is_a?(BasicSocket) ? Rota.loop.recv(io, 1 + random.rand(2000)) : Rota.loop.read(io, 1)
      when 2 then read_into_lent(io, 1 + random.rand(9000))
      end
    end

    def read_into_lent(io, size)
      buffer = LENT * size
      count = Rota.loop.read(io, size, buffer)
      count && buffer
    rescue *World.harmless, Rota::BaseException
      broken "an interrupted read left #{buffer.bytesize} bytes of #{size}" if buffer.bytesize != size
      @given_back << buffer.replace(LENT * size)
      check_given_back if @given_back.size > 20
      raise
    end

    def check_given_back
      wrong = @given_back.reject { |buffer| buffer.count(LENT) == buffer.bytesize }
      @given_back.clear
      broken "the kernel wrote into a String after its read had ended" if wrong.any?
    end
  end
end
