# frozen_string_literal: true

# also under: valgrind
require_relative "../test_helper"
require_relative "../support/disturbance"
require_relative "../support/transports"

# Every verb, interrupted again and again at moments that a seed chooses: no byte is lost or doubled,
# no descriptor, buffer or request is left.
class CancellationTest < RotaTest
  include Disturbance
  time_limit 300

  ROWS = Transports::ROWS.slice(:default, :ring_of_two, :two_small_buffers, :with_nothing)

  Transports.each_case(Transports::ALL, ROWS) do |name, transport, options|
    define_method("test_reads_#{name}") { conserve(transport, options) { |ends| verb_reader(ends) } }
    define_method("test_streams_#{name}") { conserve(transport, options) { |ends| stream_reader(ends) } }
    define_method("test_writes_#{name}") { cancel_writes(transport, options) }
    next unless transport.socket

    define_method("test_recv_each_#{name}") { conserve(transport, options) { |ends| recv_each_reader(ends) } }
  end

  Transports::ROWS.slice(:default, :ring_of_two, :without_multishot_accept).each do |row, options|
    define_method("test_accept_#{row}") { cancel_accepts(options) }
    define_method("test_connect_#{row}") { cancel_connects(options) }
  end

  def test_poll_close_and_the_gates
    repeat({}) do |random|
      ours, theirs = UNIXSocket.pair
      stream = Transports.stream(ours)
      tasks = [Rota.spin { quietly { Rota.loop.poll(theirs, IO::READABLE) } },
               Rota.spin { quietly { stream.gets } }, Rota.spin { quietly { stream.write("x" * 1_000_000) } },
               Rota.spin { quietly { stream.write("y") } }, Rota.spin { quietly { stream.read(1) } },
               Rota.spin { quietly { stream.close_write } }]
      disturb(tasks, random)
      random.rand < 0.5 ? stream.close : Rota.loop.close(stream)
      tasks.each(&:await)
      theirs.close
    end
  end

  def test_a_killed_write_gives_its_string_back
    20.times do
      ours, = socket_pair
      text = +"x" * 1_000_000
      thread = Thread.new { Rota.run { Rota.loop.write(ours, text) } }
      sleep @random.rand(0.004)
      thread.kill.join
      text << "free"
    end
  end

  private

  def disturb(tasks, random)
    random.rand(8).times do
      task = tasks.sample(random: random)
      case random.rand(4)
      when 0 then task.terminate
      when 1 then task.raise(IOError, "disturbed") if task.state == :waiting # it rescues then
      when 2 then task.schedule(:nonsense)
      else random.rand < 0.3 ? Rota.sleep(random.rand(0.0005)) : Rota.snooze
      end
    end
  end

  # A writer that nobody disturbs, and a reader (given by the block) that is interrupted all the time.
  def conserve(transport, options)
    repeat(options) do |random|
      reader, writer = transport.ends
      far = Transports.stream(writer)
      sent = random.bytes(random.rand(1..60_000))
      writing = Rota.spin { Transports.feed(far, sent, random) }
      found = +"".b
      yield [reader, found, random]
      assert found == sent, "#{found.bytesize} of #{sent.bytesize} bytes came, " \
                            "equal up to #{(0...sent.bytesize).find { |i| found.getbyte(i) != sent.getbyte(i) }}"
      writing.await
    end
  end

  # A read that had its bytes returns them, though its time was up: what it returned is never ignored.
  def verb_reader((reader, found, random))
    loop do
      got = :none
      briefly(random) { got = Rota.loop.read(reader, random.rand(1..9000)) }
      got.nil? ? break : (found << got if got.is_a?(String))
    end
    reader.close
  end

  def recv_each_reader((reader, found, random))
    ended = false
    until ended
      briefly(random) do
        Rota.loop.recv_each(reader) { |bytes| (found << bytes) && (Rota.snooze if random.rand < 0.2) }
        ended = true
      end
      next if ended

      got = :none
      briefly(random) { got = Rota.loop.recv(reader, random.rand(1..500)) } if random.rand < 0.3
      got.nil? ? break : (found << got if got.is_a?(String))
    end
    reader.close
  end

  def stream_reader((reader, found, random))
    stream = Transports.stream(reader)
    ended = false
    ended = stream_step(stream, found, random) == :ended until ended
    stream.close
  end

  def stream_step(stream, found, random)
    got = :none
    briefly(random) do
      got = case random.rand(3)
            when 0 then stream.read(random.rand(1..9000))
            when 1 then stream.gets
            else stream.readpartial(random.rand(1..9000))
            end
      got = :none if got.nil? && !stream.eof?
    rescue EOFError
      got = nil
    end
    return :ended if got.nil? && stream.eof?

    found << got.b if got.is_a?(String)
    :goes_on
  end

  # What a write says that it wrote is what comes out at the other end.
  def cancel_writes(transport, options)
    repeat(options) do |random|
      reader, writer = transport.ends
      stream = random.rand < 0.5 ? Transports.stream(writer) : nil
      count = 0
      counting = Rota.spin { count_bytes(reader) }
      random.rand(1..12).times do
        written = interrupted_write(stream, writer, random)
        count += written
      end
      stream ? stream.close : writer.close
      assert_equal count, counting.await
      reader.close
    end
  end

  def count_bytes(reader)
    count = 0
    while (bytes = Rota.loop.read(reader, 20_000))
      count += bytes.bytesize
      Rota.snooze
    end
    count
  end

  def interrupted_write(stream, writer, random)
    size = random.rand < 0.5 ? random.rand(1..1000) : random.rand(1..600_000)
    pieces = random.rand < 0.3 ? ["x" * size, "y" * random.rand(1..200_000)] : ["x" * size]
    Rota.cancel_after(random.rand(0.0008), with_exception: IndexError) do
      return stream ? stream.write(*pieces) : Rota.loop.write(writer, *pieces)
    end
  rescue IndexError => e
    e.respond_to?(:bytes_written) ? e.bytes_written : 0
  end

  # A connection is given to whoever accepts it, or closed: the client always sees one or the other.
  def cancel_accepts(options)
    repeat(options) do |random|
      server = TCPServer.new("127.0.0.1", 0)
      clients = Array.new(random.rand(1..12)) { TCPSocket.new("127.0.0.1", server.addr[1]) }
      taken = []
      random.rand(1..8).times do
        briefly(random) do
          if random.rand < 0.5
            taken << Rota.loop.accept(server)
          else
            Rota.loop.accept_each(server) { |stream| (taken << stream) && (random.rand < 0.3 ? break : Rota.snooze) }
          end
        end
      end
      server.close
      taken.each { |stream| stream << "x" }
      answers = clients.map { |client| quietly { Rota.loop.read(client, 1) } }
      assert_equal taken.size, answers.count("x")
      [*taken, *clients].each(&:close)
    end
  end

  def cancel_connects(options)
    repeat(options) do |random|
      listener = Rota.listen("127.0.0.1:0", &:gets)
      addresses = [listener.address, listener.address.sub(/.*:/, "localhost:")]
      10.times do
        stream = nil
        briefly(random) { stream = Rota.connect(addresses.sample(random: random)) }
        stream&.close
      end
      500.times { listener.connections.zero? ? break : Rota.sleep(0.001) }
      assert_equal 0, listener.connections
      listener.stop
    end
  end
end
