# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"
require "tmpdir"

# Messages and what belongs to them, over every kind of socket and with every engine. Ruby's own
# BasicSocket#recvmsg on the same messages says what is right.
module MessagesContract
  LARGE = Random.new(2).bytes(60_000).freeze

  def test_as_ruby_receives_them
    with_ends do |loop, near, far, address|
      [["hello", 100, 0], ["hello", 3, 0], ["hello", 5, 0], ["hello", 3, Socket::MSG_PEEK], [LARGE, 60_000, 0],
       [LARGE, 10, 0], ["x", 0, 0]].each do |text, maxlen, flags|
        next if kind == :stream && text.bytesize > maxlen # what is left there comes next
        next if kind == :packets && maxlen.zero? # that is the end for Ruby 3.3 and later

        send_and = lambda do |&receive|
          assert_equal text.bytesize, loop.sendmsg(near, text, 0, address)
          receive.call.tap { far.recvmsg if flags == Socket::MSG_PEEK }
        end
        theirs = send_and.call { far.recvmsg(maxlen, flags) }
        assert_equal shown(theirs), shown(send_and.call { loop.recvmsg(far, maxlen, nil, flags) }),
                     [text[0, 10], maxlen, flags].inspect
      end
    end
  end

  def test_a_message_that_is_waited_for
    with_ends do |loop, near, far, address|
      task = Rota.spin { loop.recvmsg(far, 100) }
      Rota.snooze until task.state == :waiting
      loop.sendmsg(near, "late", 0, address)
      assert_equal "late", task.await.first
      assert_equal Encoding::BINARY, task.await.first.encoding
    end
  end

  def test_truncation_says_so
    with_ends do |loop, near, far, address|
      next if kind == :stream

      loop.sendmsg(near, LARGE, 0, address)
      bytes, _, flags = loop.recvmsg(far, 1000)
      assert_equal [LARGE[0, 1000], Socket::MSG_TRUNC], [bytes, flags & Socket::MSG_TRUNC]
      # with MSG_TRUNC among the flags a buffer's number is the length that was sent
      loop.sendmsg(near, LARGE, 0, address)
      buffer = +"0123456789"
      length, = loop.recvmsg(far, 4, buffer, Socket::MSG_TRUNC)
      assert_equal [60_000, LARGE[0, 4]], [length, buffer.b]
      loop.sendmsg(near, LARGE, 0, address)
      assert_equal LARGE[0, 4], loop.recvmsg(far, 4, nil, Socket::MSG_TRUNC).first
      loop.sendmsg(near, LARGE, 0, address)
      assert_equal LARGE[0, 4], loop.recv(far, 4, nil, Socket::MSG_TRUNC)
      loop.sendmsg(near, "next", 0, address)
      assert_equal "next", loop.recv(far, 10)
    end
  end

  def test_into_a_buffer
    with_ends do |loop, near, far, address|
      buffer = +"0123456789"
      loop.sendmsg(near, "abc", 0, address)
      assert_equal 3, loop.recvmsg(far, 100, buffer).first
      assert_equal "abc", buffer
      memory = IO::Buffer.new(8)
      loop.sendmsg(near, "abcdefghij", 0, address)
      length, _, flags = loop.recvmsg(far, 100, memory)
      assert_equal [8, "abcdefgh"], [length, memory.get_string]
      assert_equal kind == :stream ? 0 : Socket::MSG_TRUNC, flags & Socket::MSG_TRUNC
      refute_predicate memory, :locked?
    end
  end

  def test_what_is_sent
    with_ends do |loop, near, far, address|
      memory = IO::Buffer.for("from a buffer".dup)
      assert_equal 13, loop.sendmsg(near, memory, 0, address)
      assert_equal "from a buffer", loop.recv(far, 100)
      assert_equal 4, loop.sendmsg(near, 1234, 0, address)
      assert_equal "1234", loop.recv(far, 100)
      text = +"not locked for ever"
      loop.sendmsg(near, text, 0, address)
      text << "."
    end
  end

  def test_nothing_at_all
    with_ends do |loop, near, far, address|
      next if kind != :datagram

      2.times { assert_equal 0, loop.sendmsg(near, "", 0, address) }
      assert_equal ["", 0], loop.recvmsg(far, 10).values_at(0, 2)
      assert_equal "", loop.recv(far, 10)
    end
  end

  def test_the_end
    with_ends do |loop, near, far, _address|
      next if kind == :datagram

      near.close
      assert_nil loop.recvmsg(far, 10)
      assert_nil loop.recvmsg(far, 10, +"")
      assert_nil loop.recv(far, 10)
    end
  end

  def test_a_cancelled_receive_takes_nothing
    with_ends do |loop, near, far, address|
      assert_nil Rota.move_on_after(0.001) { loop.recvmsg(far, 100) }
      buffer = +"as it was"
      assert_nil Rota.move_on_after(0.001) { loop.recvmsg(far, 100, buffer) }
      assert_equal "as it was", buffer
      loop.sendmsg(near, "kept", 0, address)
      assert_equal "kept", loop.recvmsg(far, 100).first
    end
  end

  def test_close_wakes_who_waits
    with_ends do |loop, _near, far, _address|
      task = Rota.spin { caught(IOError) { loop.recvmsg(far, 100) } }
      Rota.snooze until task.state == :waiting
      loop.close(far)
      assert_equal "stream closed in another thread", task.await.message
    end
  end

  # A fiber that is torn down in the moment when its message came.
  def test_a_killed_receive_leaves_its_message
    with_ends do |loop, near, far, address|
      40.times do |i|
        task = Rota.spin { catch(:out) { loop.recvmsg(far, 100) } }
        Rota.snooze until task.state == :waiting
        loop.sendmsg(near, i.to_s, 0, address)
        task.interject { throw :out } if i.even?
        Rota.snooze while i.even? && !task.dead?
        bytes = task.await&.first if task.dead?
        assert_equal i.to_s, bytes || (i.even? ? loop.recvmsg(far, 100).first : task.await.first)
      end
    end
  end

  private

  def with_ends
    Rota.run(**options) do
      near, far, address = sockets
      yield Rota.loop, near, far, address
      Rota.snooze
    ensure
      [near, far].each { |socket| socket&.close }
      File.unlink(address.unix_path) if address&.unix?
    end
  end

  # What both forms of the result have. Ruby gives an empty address where the kernel names nobody.
  def shown((bytes, sender, flags))
    name = sender&.inspect_sockaddr
    name = nil if kind == :stream || name == "empty-sockaddr"
    [bytes || "", name, flags & (Socket::MSG_TRUNC | Socket::MSG_CTRUNC)]
  end
end

MESSAGE_SOCKETS = {
  udp4: [:datagram, -> { bound(:INET, "127.0.0.1") }],
  udp6: ([:datagram, -> { bound(:INET6, "::1") }] if Transports.ipv6?),
  unix: [:datagram, -> { UNIXSocket.pair(:DGRAM) }],
  named: [:datagram, lambda {
    far = Socket.new(:UNIX, :DGRAM)
    address = Addrinfo.unix(File.join(Dir.tmpdir, "rota-#{$$}-#{far.object_id}"), :DGRAM)
    far.bind(address)
    [Socket.new(:UNIX, :DGRAM), far, address]
  }],
  packets: [:packets, -> { UNIXSocket.pair(:SEQPACKET) }],
  stream: [:stream, -> { UNIXSocket.pair }]
}.compact

def MessagesContract.bound(family, host)
  far = Socket.new(family, :DGRAM)
  far.bind(Addrinfo.udp(host, 0))
  [Socket.new(family, :DGRAM), far, far.local_address]
end

Engines::ALL.product(MESSAGE_SOCKETS.to_a).each do |engine, (name, (kind, open))|
  rows = engine == :epoll ? { default: {} } : { default: {}, ring_of_two: { entries: 2 } }
  rows.each do |row, options|
    test = Class.new(RotaTest) do
      include MessagesContract
      define_method(:kind) { kind }
      define_method(:options) { { engine: engine, **options } }
      define_method(:sockets) { MessagesContract.instance_exec(&open) }
    end
    Object.const_set("MessagesContract#{name.capitalize}#{row.capitalize}#{engine.capitalize}Test", test)
  end
end
