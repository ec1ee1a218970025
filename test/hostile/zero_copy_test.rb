# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/disturbance"
require_relative "../support/engines"

# Sends that are not copied: the kernel reads the memory long after the write has its result. Only to
# an address that is not loopback's; the way to an own one is as good, and copies at the other end.
class ZeroCopyTest < RotaTest
  include Disturbance
  time_limit 60

  ADDRESS = Socket.ip_address_list.find { |info| info.ipv4? && !info.ipv4_loopback? }&.ip_address
  LARGE = Random.new(6).bytes(300_000).freeze

  def setup
    super
    skip "the epoll engine copies" unless Engines::DEFAULT == :io_uring
    skip "no io_uring that sends without a copy" unless Rota.run { Rota.loop.features[:zero_copy_send] } == true
    skip "no address but loopback's" unless ADDRESS
  end

  # It turns out that they are copied all the same: no more of them on that connection.
  def test_what_the_kernel_copies_is_not_tried_again
    with_pair do |near, far|
      reading = Rota.spin { count(far) }
      20.times { near.write(LARGE) && Rota.sleep(0.001) }
      near.close
      assert_equal 6_000_000, reading.await
      tried, copied = Rota.loop.stats.values_at(:zero_copies, :zero_copies_copied)
      assert_includes 1..10, tried
      assert_equal tried, copied
    end
  end

  def test_small_ones_and_loopback_are_copied_at_once
    with_pair("127.0.0.1") { |near, far| send_and_count(near, far, LARGE) }
    with_pair { |near, far| send_and_count(near, far, LARGE[0, 60_000]) }
    with_pair(without: [:zero_copy_send]) { |near, far| send_and_count(near, far, LARGE) }
  end

  # Where it reads slowly, one of the kernel's few workers would wait.
  def test_what_goes_to_a_peer_that_sends_no_more_is_copied
    with_pair do |near, far|
      far.close_write
      assert_empty near.read
      reading = Rota.spin { count(far) }
      near.write(LARGE)
      near.close
      assert_equal [LARGE.bytesize, 0], [reading.await, Rota.loop.stats[:zero_copies]]
    end
  end

  # The peer does not read: all of it still lies in the memory that was written.
  def test_the_bytes_are_those_of_the_write
    20.times do |i|
      with_pair(receive: 65_536) do |near, far|
        text = own_memory(LARGE)
        assert_equal text.bytesize, near.write(text)
        assert_equal 1, Rota.loop.stats[:ops_in_flight]
        case i % 4
        when 0 then 0.step(299_999, 997) { |at| text.setbyte(at, 0) }
        when 1 then text.replace("nothing")
        when 2 then text.clear << ("y" * 300_000)
        else text = nil
        end
        i % 10 == 3 ? GC.compact : GC.start
        Array.new(20) { "z" * 300_000 } # takes the memory if it was given back
        assert far.read_exactly(LARGE.bytesize) == LARGE, "other bytes came"
        Rota.sleep(0.001) while Rota.loop.stats[:ops_in_flight].positive?
      end
    end
  end

  def test_no_string_stays_locked
    with_pair(receive: 65_536) do |near, _far|
      text = own_memory(LARGE)
      near.write(text)
      text << "more"
      near.timeout = 0.01
      assert_raises(Rota::TimeoutError) { 100.times { near.write(text) } }
      text << "more"
    end
  end

  def test_the_end_of_a_stream_before_its_notification
    near = far = nil
    with_pair(receive: 65_536) do |*ends|
      near, far = ends
      near.write(LARGE)
      near.close
      GC.start
      assert far.read.b == LARGE, "other bytes came"
    end
  end

  # Nobody waits for a peer that never reads.
  def test_the_end_of_the_loop_before_the_notification
    out, errors, status = run_ruby(<<~RUBY, ADDRESS)
      require "rota"
      server = TCPServer.new(ARGV[0], 0)
      server.setsockopt(:SOCKET, :RCVBUF, 65_536)
      accepted = nil
      Rota.run do
        stream = Rota.connect("\#{ARGV[0]}:\#{server.addr[1]}")
        accepted = server.accept
        stream.write("a" * 300_000)
        stream.close
      end
      GC.start
      Array.new(20) { "b" * 300_000 }
      p accepted.read == "a" * 300_000
    RUBY
    assert_predicate status, :success?, errors
    assert_empty errors
    assert_equal "true\n", out
  end

  # What a write says that it wrote is what comes out at the other end.
  def test_cancelled_sends
    repeat({}) do |random|
      listener, near, far = open_pair(ADDRESS, 65_536)
      text = LARGE * random.rand(1..8)
      reading = Rota.spin { count(far) { Rota.snooze if random.rand < 0.5 } }
      sent = Array.new(random.rand(1..4)) { interrupted_write(near, own_memory(text), random) }
      near.close
      assert_equal sent.sum, reading.await
      GC.compact if random.rand < 0.1
    ensure
      [far, listener].each { |io| io&.close }
    end
  end

  def test_torn_down_sends
    repeat({}) do |random|
      listener, near, far = open_pair(ADDRESS, 65_536)
      reading = Rota.spin { far.read.b }
      torn_down(random) { near.write(LARGE * random.rand(1..20)) }
      near.close
      found = reading.await
      assert (LARGE * 21).start_with?(found), "other bytes came"
    ensure
      [far, listener].each { |io| io&.close }
    end
  end

  private

  def open_pair(address, receive)
    listener = TCPServer.new(address, 0)
    listener.setsockopt(:SOCKET, :RCVBUF, receive) if receive
    near = Rota.connect("#{address}:#{listener.addr[1]}")
    near.to_io.setsockopt(:SOCKET, :SNDBUF, 1_000_000) if receive
    [listener, near, Rota.loop.accept(listener)]
  end

  def with_pair(address = ADDRESS, receive: nil, **options)
    Rota.run(**options) do
      listener, near, far = open_pair(address, receive)
      yield near, far
    ensure
      [near, far, listener].each { |io| io&.close }
    end
  end

  def count(stream)
    total = 0
    stream.read_loop do |bytes|
      total += bytes.bytesize
      yield if block_given?
    end
    total
  end

  def send_and_count(near, far, text)
    reading = Rota.spin { count(far) }
    3.times { near.write(text) }
    near.close
    assert_equal text.bytesize * 3, reading.await
    assert_equal 0, Rota.loop.stats[:zero_copies]
  end

  # A copy made by dup would share its bytes with the original.
  def own_memory(text) = String.new(capacity: text.bytesize) << text

  def interrupted_write(stream, text, random)
    Rota.cancel_after(random.rand(0.002), with_exception: IndexError) { return stream.write(text) }
  rescue IndexError => e
    text.clear << "other" # it is not locked
    e.respond_to?(:bytes_written) ? e.bytes_written : 0
  end
end
