# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"

# A reader that does not read stops its writer, holds little, and loses nothing.
class BackpressureTest < RotaTest
  time_limit 120

  # The room for what a stream holds unread and what the kernel had under way, which is a power of
  # two, and the stream's own records.
  HELD_AT_MOST = (2 * 1024 * 1024) + 1024
  PIECE = "x" * 50_000
  PIECES = 2000

  ROWS = Transports::ROWS.slice(:default, :ring_of_two, :two_buffers, :two_small_buffers,
                                :without_incremental_buffers, :without_multishot_recv, :without_provided_buffers)

  Transports.each_case(Transports::ALL, ROWS) do |name, transport, options|
    define_method("test_a_slow_reader_#{name}") { slow_reader(transport, options) }
  end

  def test_many_slow_readers_hold_little
    require "objspace"
    Rota.run do
      pairs = Array.new(40) { Transports.ends_of_streams }
      tasks = pairs.map { |_, far| Rota.spin { 40.times { far.write(PIECE) } } }
      pairs.map(&:first).each { |near| near.read(1) }
      Rota.sleep(0.02)
      tasks.each { |task| assert_equal :waiting, task.state }
      held = pairs.sum { |near, _| ObjectSpace.memsize_of(near) }
      assert_operator held, :<, 40 * HELD_AT_MOST / 2
      pairs.map(&:first).each { |near|
        assert_equal 40 * PIECE.bytesize, near.read((40 * PIECE.bytesize) - 1).bytesize + 1
      }
      tasks.each(&:await)
      pairs.flatten.each(&:close)
    end
  end

  # Reading in small steps around the high-water mark cancels and arms again and again.
  def test_around_the_mark
    random = Random.new(11)
    sent = random.bytes(3_000_000)
    Rota.run do
      near, far = Transports.ends_of_streams
      writing = Rota.spin { far.write(sent) && far.close }
      found = +"".b
      until near.eof?
        found << near.readpartial(random.rand(1..200_000))
        Rota.snooze if random.rand < 0.3
      end
      assert found == sent
      writing.await
      near.close
    end
  end

  def test_a_big_read_needs_more_than_the_mark
    Rota.run do
      near, far = Transports.ends_of_streams
      writing = Rota.spin { far.write(PIECE * 100) }
      assert_equal 5_000_000, near.read_exactly(5_000_000).bytesize
      writing.await
      [near, far].each(&:close)
    end
  end

  # A line without an end is as long as memory allows, but not before somebody asks for it.
  def test_a_line_longer_than_the_mark
    Rota.run do
      near, far = Transports.ends_of_streams
      writing = Rota.spin { far.write(PIECE * 20, "\n", "rest") && far.close }
      assert_equal (PIECE.bytesize * 20) + 1, near.gets.bytesize
      assert_equal "rest", near.read
      writing.await
      near.close
    end
  end

  # The verb, too: a block that waits holds up its own peer, not the buffers of all the others.
  def test_a_slow_block_of_recv_each
    ROWS.each_value do |options|
      Rota.run(**options) do
        pairs = Array.new(5) { UNIXSocket.pair }
        written = [0] * 5
        writing = pairs.each_with_index.map do |(_, far), i|
          Rota.spin { 100.times { written[i] += Rota.loop.write(far, PIECE) } && far.close }
        end
        counts = [0] * 5
        go_on = false
        reading = pairs.each_with_index.map do |(near, _), i|
          Rota.spin do
            Rota.loop.recv_each(near) do |bytes|
              counts[i] += bytes.bytesize
              Rota.sleep(0.001) until go_on
            end
          end
        end
        before = nil
        (before = written.sum) && Rota.sleep(0.02) until before == written.sum
        assert_operator written.max, :<, 100 * PIECE.bytesize
        near, far = Transports.ends_of_streams # somebody else is served meanwhile
        task = Rota.spin { far.write("y" * 400_000) && far.close }
        assert_equal 400_000, near.read.bytesize
        [task, near].each { |it| it.respond_to?(:await) ? it.await : it.close }
        go_on = true
        (writing + reading).each(&:await)
        assert_equal [100 * PIECE.bytesize] * 5, counts
        pairs.each { |pair| pair.first.close }
      end
    end
  end

  def test_a_slow_block_of_accept_each_leaves_connections_to_others
    Rota.run do
      server = TCPServer.new("127.0.0.1", 0)
      clients = Array.new(100) { TCPSocket.new("127.0.0.1", server.addr[1]) }
      taken = []
      accepting = Rota.spin do
        Rota.loop.accept_each(server) { |stream| (taken << stream) && Rota.sleep }
      end
      Rota.sleep(0.005)
      100.times { clients << TCPSocket.new("127.0.0.1", server.addr[1]) }
      Rota.sleep(0.005)
      others = []
      others << server.accept_nonblock while others.size < 100
      accepting.terminate
      accepting.await
      [server, *others, *taken, *clients].each(&:close)
    end
  end

  private

  def slow_reader(transport, options)
    Rota.run(**options) do
      near, far = transport.streams
      written = 0
      writing = Rota.spin { PIECES.times { written += far.write(PIECE) } && far.close }
      assert_equal "x", near.read(1)
      before = -1
      (before = written) && Rota.sleep(0.02) until before == written
      assert_operator written, :<, PIECES * PIECE.bytesize
      assert_operator memory_of(near), :<=, HELD_AT_MOST
      count = 1
      near.read_loop(100_000) { |bytes| count += bytes.bytesize }
      assert_equal PIECES * PIECE.bytesize, count
      writing.await
      near.close
    end
  end

  def memory_of(stream)
    require "objspace"
    ObjectSpace.memsize_of(stream)
  end
end
