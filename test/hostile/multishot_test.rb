# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"

# Requests with many results: the kernel may end them at any time (its completion queue is full, it has
# no buffers, it puts them off), and they go on as if nothing had happened.
class MultishotTest < RotaTest
  time_limit 120

  # A ring of two has a completion queue that overflows at once.
  ROWS = Transports::ROWS.slice(:default, :ring_of_two, :two_buffers, :two_small_buffers, :with_nothing,
                                :without_multishot_recv, :without_multishot_accept)

  ROWS.each do |row, options|
    define_method("test_many_streams_at_once_#{row}") { many_streams(options) }
    define_method("test_many_recv_each_at_once_#{row}") { many_recv_each(options) }
    define_method("test_a_burst_of_connections_#{row}") { burst_of_connections(options) }
    define_method("test_the_end_behind_many_pieces_#{row}") { end_behind_many_pieces(options) }
    define_method("test_in_order_#{row}") { in_order(options) }
  end

  def test_the_submission_queue_really_is_full
    skip "epoll has no submission queue" unless Engines.ring?
    Rota.run(entries: 2) do
      many_pairs(200)
      assert_operator Rota.loop.stats[:overflows], :>, 0
    end
  end

  def test_recv_each_inside_recv_each
    Rota.run do
      pairs = Array.new(2) { UNIXSocket.pair }
      pairs.map(&:last).each { |far| far.write("abc") && far.close }
      found = []
      Rota.loop.recv_each(pairs[0].first) do |outer|
        Rota.loop.recv_each(pairs[1].first) { |inner| found << outer << inner }
      end
      assert_equal %w[abc abc], found
      pairs.map(&:first).each(&:close)
    end
  end

  def test_two_recv_each_on_one_socket_lose_nothing
    Rota.run do
      near, far = UNIXSocket.pair
      counts = [0, 0]
      tasks = counts.each_index.map do |i|
        Rota.spin { Rota.loop.recv_each(near) { |bytes| (counts[i] += bytes.bytesize) && Rota.snooze } }
      end
      20.times { Rota.loop.write(far, "x" * 10_000) }
      far.close
      tasks.each(&:await)
      assert_equal 200_000, counts.sum
      near.close
    end
  end

  def test_the_block_closes_its_own_socket
    Rota.run do
      near, far = UNIXSocket.pair
      far.write("x")
      assert_raises(IOError) { Rota.loop.recv_each(near) { Rota.loop.close(near) } }
      far.close
    end
  end

  private

  def many_streams(options)
    Rota.run(**options) do
      pairs = Array.new(100) { Transports.ends_of_streams }
      tasks = pairs.map { |near, _| Rota.spin { near.read.bytesize } }
      pairs.map(&:last).each { |far| far.write("x" * 2000) }
      pairs.map(&:last).each(&:close)
      assert_equal [2000] * 100, tasks.map(&:await)
      pairs.map(&:first).each(&:close)
    end
  end

  def many_pairs(count)
    pairs = Array.new(count) { UNIXSocket.pair }
    tasks = pairs.map do |near, _|
      Rota.spin do
        found = +""
        Rota.loop.recv_each(near) { |bytes| found << bytes }
        found
      end
    end
    Rota.snooze
    pairs.each_with_index { |(_, far), i| far.write("message #{i}") }
    Rota.snooze
    pairs.map(&:last).each(&:close)
    assert_equal Array.new(count) { |i| "message #{i}" }, tasks.map(&:await)
    pairs.map(&:first).each(&:close)
  end

  def many_recv_each(options)
    Rota.run(**options) { many_pairs(100) }
  end

  def burst_of_connections(options)
    Rota.run(**options) do
      server = TCPServer.new("127.0.0.1", 0)
      clients = Array.new(100) { TCPSocket.new("127.0.0.1", server.addr[1]) }
      ports = []
      Rota.loop.accept_each(server) do |stream|
        ports << stream.remote_address.ip_port
        stream.close
        Rota.snooze if (ports.size % 7).zero?
        break if ports.size == 100
      end
      assert_equal clients.map { |client| client.local_address.ip_port }.sort, ports.sort
      [server, *clients].each(&:close)
    end
  end

  # The kernel puts a receive off after 32 pieces, and then may miss that the other end was closed.
  def end_behind_many_pieces(options)
    Rota.run(**options) do
      [1, 31, 32, 33, 64, 65, 200].each do |pieces|
        ours, theirs = UNIXSocket.pair
        theirs.setsockopt(:SOCKET, :SNDBUF, 4_000_000)
        size = pieces * 64
        theirs.write("x" * size)
        theirs.close
        stream = Transports.stream(ours)
        assert_equal size, stream.read.bytesize
        stream.close
      end
    end
  end

  def in_order(options)
    Rota.run(**options) do
      near, far = Transports.ends_of_streams
      sent = (0...60_000).to_a.pack("N*")
      task = Rota.spin { far.write(sent) && far.close }
      assert near.read.b == sent
      task.await
      near.close
    end
  end
end
