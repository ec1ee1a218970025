# frozen_string_literal: true

require_relative "../test_helper"
require "tmpdir"

# Sockets by hand: from their making to their options; control data; descriptors that are passed on.
class SocketVerbsTest < RotaTest
  def test_a_server_of_numbers_alone
    Rota.run do
      loop = Rota.loop
      server = loop.socket(Socket::AF_INET, Socket::SOCK_STREAM)
      assert_equal 0, loop.bind(server, Addrinfo.tcp("127.0.0.1", 0))
      assert_equal 0, loop.listen(server.fileno)
      task = Rota.spin { loop.accept(server.fileno) }
      client = Rota.connect("127.0.0.1:#{server.local_address.ip_port}")
      number = task.await
      loop.send_bytes(number, "hello")
      assert_equal "hello", client.readpartial(10)
      assert_predicate IO.for_fd(number, autoclose: false), :close_on_exec?
      assert_predicate server.to_io, :close_on_exec?
      loop.close(number)
      [server, client].each(&:close)
    end
  end

  def test_every_family
    Dir.mktmpdir do |folder|
      [Addrinfo.tcp("127.0.0.1", 0), (Addrinfo.tcp("::1", 0) if ipv6?),
       Addrinfo.unix("#{folder}/s"), Addrinfo.unix("\0rota-#{$$}")].compact.each do |address|
        Rota.run do
          server = Rota.loop.socket(address.afamily, Socket::SOCK_STREAM)
          Rota.loop.bind(server, address.to_sockaddr)
          Rota.loop.listen(server, 5)
          client = Rota.loop.socket(address.afamily, Socket::SOCK_STREAM)
          Rota.loop.connect(client, server.local_address)
          accepted = Rota.loop.accept(server)
          accepted << "x"
          assert_equal "x", client.readpartial(10)
          [server, client, accepted].each(&:close)
        end
      end
    end
  end

  def test_what_the_kernel_refuses
    in_loop do |loop|
      server = keep([TCPServer.new("127.0.0.1", 0)]).first
      other = keep([Socket.new(:INET, :STREAM)]).first
      assert_match(/ - bind/, assert_raises(Errno::EADDRINUSE) { loop.bind(other, server.local_address) }.message)
      assert_match(/ - listen/, assert_raises(Errno::EOPNOTSUPP) { loop.listen(udp) }.message)
      assert_match(/ - shutdown/, assert_raises(Errno::ENOTCONN) { loop.shutdown(other) }.message)
      assert_match(/ - getsockopt/, assert_raises(Errno::ENOPROTOOPT) { loop.getsockopt(other, 0, 9999) }.message)
      assert_match(/ - setsockopt/, assert_raises(Errno::ENOPROTOOPT) { loop.setsockopt(other, 0, 9999, 1) }.message)
      error = assert_raises(Errno::EMSGSIZE) { loop.sendmsg(udp, "x" * 70_000, 0, udp.local_address) }
      assert_match(/ - sendmsg/, error.message)
      pipe, = pipes
      %i[listen shutdown].each { |verb| assert_raises(Errno::ENOTSOCK) { loop.public_send(verb, pipe) } }
      assert_raises(Errno::ENOTSOCK) { loop.sendmsg(pipe, "x") }
      assert_raises(Errno::ENOTSOCK) { loop.recvmsg(pipe, 1) }
      assert_raises(Errno::ENOTSOCK) { loop.recv_io(pipe) }
      assert_raises(Errno::EBADF) { loop.send_io(socket_pair.first, 12_345) }
    end
  end

  def test_arguments
    in_loop do |loop|
      ours, = socket_pair
      assert_raises(TypeError) { loop.sendmsg(:socket, "x") }
      assert_raises(TypeError) { loop.recvmsg(ours, "x") }
      assert_raises(ArgumentError) { loop.recvmsg(ours, -1) }
      assert_raises(ArgumentError) { loop.recvmsg(ours, 1, nil, 0, -1) }
      assert_raises(ArgumentError) { loop.recvmsg(ours, 1, nil, 0, 1 << 30) }
      assert_raises(TypeError) { loop.recvmsg(ours, 1, :buffer) }
      assert_raises(FrozenError) { loop.recvmsg(ours, 1, "frozen") }
      assert_raises(ArgumentError) { loop.sendmsg(ours, "x", 0, "x" * 1000) }
      assert_raises(ArgumentError) { loop.sendmsg(ours, "x", 0, nil, [1, 2]) }
      assert_raises(NoMethodError) { loop.sendmsg(ours, "x", 0, nil, :control) }
      assert_raises(ArgumentError) { loop.shutdown(ours, :UP) }
      assert_raises(ArgumentError) { loop.setsockopt(ours, 1, 2) }
      assert_raises(TypeError) { loop.send_io(ours, "no io") }
      assert_raises(TypeError) { loop.bind(ours, 3) }
      assert_raises(TypeError) { loop.connect(ours, nil) }
      ours.close
      assert_raises(IOError) { loop.recvmsg(ours, 1) }
    end
  end

  def test_bytes_in_rubys_own_buffer
    in_loop do |loop|
      ours, theirs = socket_pair
      theirs.write("line\nrest")
      ours.gets
      assert_raises(IOError) { loop.recvmsg(ours, 10) }
      assert_raises(IOError) { loop.recv_io(ours) }
    end
  end

  def test_shutdown
    in_loop do |loop|
      { :WR => "", Socket::SHUT_WR => "", "SHUT_WR" => "", :RDWR => "", nil => "" }.each_key do |how|
        ours, theirs = socket_pair
        reader = Rota.spin { loop.recv(theirs, 10) }
        Rota.snooze
        how ? loop.shutdown(ours, how) : loop.shutdown(ours)
        assert_nil reader.await
      end
      ours, = socket_pair
      reader = Rota.spin { loop.recv(ours, 10) }
      Rota.snooze
      loop.shutdown(ours, :RD)
      assert_nil reader.await
    end
  end

  # io_uring tells of such a peer whatever it is asked for.
  def test_a_wait_for_a_peer_that_sends_no_more
    in_loop do |loop|
      near, far = socket_pair
      far.close_write
      assert_equal IO::READABLE, loop.poll(near, IO::READABLE)
      assert_equal IO::WRITABLE, loop.wait(near, IO::WRITABLE, 5)
      assert_nil loop.wait(near, IO::PRIORITY, 0.001)
      Rota.snooze while near.write_nonblock("x" * 10_000, exception: false).is_a?(Integer)
      assert_nil loop.wait(near, IO::WRITABLE, 0.001)
      assert_nil near.wait_writable(0.001)
      waiting = [Rota.spin { loop.wait(near, IO::WRITABLE, 5) }, Rota.spin { near.write("x" * 100) }]
      Rota.sleep(0.01)
      far.readpartial(1 << 20) while far.wait_readable(0.01)
      assert_equal [IO::WRITABLE, 100], waiting.map(&:await)
    end
  end

  def test_who_waits_for_a_peer_that_sends_no_more_does_not_look_again_and_again
    in_loop do |loop|
      near, far = socket_pair
      far.close_write
      Rota.snooze while near.write_nonblock("x" * 10_000, exception: false).is_a?(Integer)
      source, feed = IO.pipe
      feed << "some bytes"
      enters = loop.stats[:enters]
      Rota.move_on_after(0.02) { loop.copy(source, near) }
      Rota.move_on_after(0.02) { near.write("some bytes") }
      assert_operator loop.stats[:enters] - enters, :<, 50
      [source, feed].each(&:close)
    end
  end

  # The kernel's workers, who would wait for such peers, are 16.
  def test_peers_that_send_no_more_and_read_slowly_keep_nobody_elses_bytes
    in_loop do |loop|
      pairs = Array.new(18) { socket_pair }
      pairs.each { |near, far| near.setsockopt(:SOCKET, :SNDBUF, 4096) && far.close_write }
      bytes = "x" * 200_000
      verbs = [->(io) { loop.write(io, bytes) }, ->(io) { loop.send_bytes(io, bytes) }]
      slow = pairs.first(16).zip(verbs * 8).map { |(near, _), verb| Rota.spin { verb.call(near) } }
      Rota.sleep(0.05)
      both = pairs.last(2).zip(verbs).map do |(near, far), verb|
        [Rota.spin { verb.call(near) }, Rota.spin { loop.read_each(far) { nil } }, near]
      end
      both.each do |writing, reading, near|
        assert_equal 200_000, Rota.move_on_after(5) { writing.await }
        near.close_write
        reading.await
      end
      slow.each(&:terminate)
    end
  end

  def test_a_message_to_a_peer_that_sends_no_more_waits_for_room
    in_loop do |loop|
      near, far = socket_pair
      far.close_write
      Rota.snooze while near.write_nonblock("x" * 10_000, exception: false).is_a?(Integer)
      enters = loop.stats[:enters]
      sending = Rota.spin { loop.sendmsg(near, "some bytes") }
      Rota.sleep(0.01)
      assert_predicate sending, :alive?
      assert_operator loop.stats[:enters] - enters, :<, 20
      far.readpartial(1 << 20) while far.wait_readable(0.01)
      assert_equal 10, sending.await
    end
  end

  def test_what_waits_for_room_hears_that_there_will_be_none
    in_loop do |loop|
      %i[shutdown close].product(%i[write sendmsg]) do |ending, verb|
        near, far = socket_pair
        far.close_write
        Rota.snooze while near.write_nonblock("x" * 10_000, exception: false).is_a?(Integer)
        writing = Rota.spin { loop.public_send(verb, near, "x" * 10_000) }
        Rota.sleep(0.01)
        far.public_send(ending)
        assert_raises(Errno::EPIPE, Errno::ECONNRESET) { Rota.cancel_after(5) { writing.await } }
      end
    end
  end

  def test_what_a_write_had_sent_when_it_was_cancelled
    in_loop do |loop|
      near, far = socket_pair
      far.close_write
      error = assert_raises(Rota::TimeoutError) do
        Rota.cancel_after(0.02) { loop.send_bytes(near, "x" * 2_000_000) }
      end
      near.close_write
      received = 0
      loop.read_each(far) { |bytes| received += bytes.bytesize }
      assert_equal received, error.bytes_written
    end
  end

  # The sender is always said to be writable.
  def test_a_datagram_to_a_receiver_that_is_full
    in_loop do |loop|
      receiver, sender = keep(Array.new(2) { Socket.new(:UNIX, :DGRAM) })
      address = Addrinfo.unix("\0rota-full-#{$$}", :DGRAM)
      receiver.bind(address)
      Rota.snooze while sender.sendmsg_nonblock("x", 0, address, exception: false) == 1
      assert_raises(Errno::EAGAIN) { loop.sendmsg(sender, "x", Socket::MSG_DONTWAIT, address) }
      enters = loop.stats[:enters]
      assert_nil Rota.move_on_after(0.05) { loop.sendmsg(sender, "x", 0, address) }
      sending = Rota.spin { loop.sendmsg(sender, "last", 0, address) }
      Rota.sleep(0.01)
      assert_operator loop.stats[:enters] - enters, :<, 50
      texts = [receiver.recv(10)]
      texts << receiver.recv(10) until texts.last == "last"
      assert_equal 4, sending.await
      sending = Rota.spin { loop.sendmsg(sender, "more", 0, address) }
      assert_equal "more", receiver.recv(10)
      assert_equal 4, sending.await
    end
  end

  def test_polls_in_a_chain_wait_for_what_they_are_asked_for
    in_loop do |loop|
      near, far = socket_pair
      far.close_write
      assert_equal [4, 4], loop.chain { |c| 2.times { c.poll(near, IO::WRITABLE) } }
      Rota.snooze while near.write_nonblock("x" * 10_000, exception: false).is_a?(Integer)
      assert_nil Rota.move_on_after(0.01) { loop.chain { |c| 2.times { c.poll(near, IO::WRITABLE) } } }
    end
  end

  def test_options
    in_loop do |loop|
      client, = tcp_pair
      assert_equal 0, loop.setsockopt(client, Socket::IPPROTO_TCP, Socket::TCP_NODELAY, true)
      option = loop.getsockopt(client, Socket::IPPROTO_TCP, Socket::TCP_NODELAY)
      assert_instance_of Socket::Option, option
      assert option.bool
      assert_equal client.getsockopt(:TCP, :NODELAY).inspect, option.inspect
      loop.setsockopt(client, Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 0)
      refute loop.getsockopt(client.fileno, Socket::IPPROTO_TCP, Socket::TCP_NODELAY).bool
      loop.setsockopt(client, Socket::Option.linger(true, 7))
      assert_equal [true, 7], loop.getsockopt(client, Socket::SOL_SOCKET, Socket::SO_LINGER).linger
      loop.setsockopt(client, Socket::SOL_SOCKET, Socket::SO_LINGER, [0, 0].pack("ii"))
      refute loop.getsockopt(client, Socket::SOL_SOCKET, Socket::SO_LINGER).linger.first
    end
  end

  def test_names_as_rubys_socket_takes_them
    in_loop do |loop|
      [%i[INET STREAM], %w[AF_INET SOCK_STREAM], [:PF_INET, Socket::SOCK_STREAM]].each do |domain, type|
        stream = loop.socket(domain, type)
        assert_equal 0, loop.setsockopt(stream, :TCP, "NODELAY", true)
        assert loop.getsockopt(stream, :IPPROTO_TCP, :TCP_NODELAY).bool
        assert_equal Socket::SOCK_STREAM, loop.getsockopt(stream, :SOCKET, :TYPE).int
        assert_raises(SocketError) { loop.getsockopt(stream, :SOCKET, :NOSUCH) }
        assert_raises(SocketError) { loop.setsockopt(stream, :NOSUCH, 1, true) }
        stream.close
      end
      assert_match(/NOSUCH/, assert_raises(SocketError) { loop.socket(:NOSUCH, :STREAM) }.message)
      assert_raises(SocketError) { loop.socket(:INET, "NOSUCH") }
    end
  end

  def test_control_data
    in_loop do |loop|
      receiver = udp
      sender = keep([UDPSocket.new]).first
      receiver.setsockopt(:SOCKET, :TIMESTAMP, true)
      receiver.setsockopt(:IP, :PKTINFO, true)
      loop.sendmsg(sender, "x", 0, receiver.local_address, [Socket::IPPROTO_IP, Socket::IP_TTL, [7].pack("i")])
      bytes, from, flags, *controls = loop.recvmsg(receiver, 10, nil, 0, 500)
      assert_equal ["x", sender.local_address.ip_port, 0], [bytes, from.ip_port, flags]
      assert_equal %w[PKTINFO TIMESTAMP], controls.map { |control| control.inspect[/PKTINFO|TIMESTAMP/] }.sort
      assert_in_delta Time.now, controls.find { |control| control.cmsg_is?(:SOCKET, :TIMESTAMP) }.timestamp, 60
      # room for one of two, and for none
      loop.sendmsg(sender, "x", 0, receiver.local_address)
      *, flags, control = loop.recvmsg(receiver, 10, nil, 0, 32)
      assert_equal Socket::MSG_CTRUNC, flags & Socket::MSG_CTRUNC
      assert_instance_of Socket::AncillaryData, control
      loop.sendmsg(sender, "x", 0, receiver.local_address)
      assert_equal Socket::MSG_CTRUNC, loop.recvmsg(receiver, 10)[2] & Socket::MSG_CTRUNC
    end
  end

  def test_descriptors_as_control_data
    in_loop do |loop|
      ours, theirs = socket_pair
      reader, writer = pipes
      loop.sendmsg(ours, "both", 0, nil, Socket::AncillaryData.unix_rights(reader, writer))
      bytes, _, _, control = loop.recvmsg(theirs, 10, nil, 0, 100)
      assert_equal "both", bytes
      their_reader, their_writer = control.unix_rights
      assert_predicate their_reader, :close_on_exec?
      their_writer.syswrite("through both")
      assert_equal "through both", reader.sysread(100)
      [their_reader, their_writer].each(&:close)
      # without room for them nothing is left open
      loop.sendmsg(ours, "both", 0, nil, Socket::AncillaryData.unix_rights(reader, writer))
      assert_equal ["both", nil, Socket::MSG_CTRUNC], loop.recvmsg(theirs, 10)
    end
  end

  def test_passing_descriptors
    in_loop do |loop|
      ours, theirs = socket_pair
      reader, writer = pipes
      task = Rota.spin { loop.recv_io(theirs) }
      Rota.snooze
      assert_nil loop.send_io(ours, writer)
      received = task.await
      assert_instance_of IO, received
      assert_predicate received, :close_on_exec?
      received.syswrite("passed on")
      assert_equal "passed on", reader.sysread(100)
      received.close

      loop.send_io(ours, ours)
      assert_kind_of BasicSocket, loop.recv_io(theirs).tap(&:close)
      loop.send_io(ours, reader.fileno)
      loop.close(loop.recv_io(theirs.fileno).tap { |number| assert_kind_of Integer, number })
      loop.send_io(ours, ours)
      assert_instance_of Rota::Stream, loop.recv_io(theirs, Rota::Stream).tap(&:close)
    end
  end

  # Its number is another file's by the time that there is room.
  def test_what_is_sent_is_closed_while_the_message_waits
    sends = [->(loop, ours, file) { loop.send_io(ours, file) },
             ->(loop, ours, file) { loop.sendmsg(ours, "x", 0, nil, Socket::AncillaryData.unix_rights(file)) }]
    in_loop do |loop|
      sends.each do |send|
        before = Dir.children("/proc/self/fd").size
        ours, theirs = UNIXSocket.pair
        file = file_with_number(nil, "meant")
        fill(ours)
        task = Rota.spin { send.call(loop, ours, file) }
        Rota.snooze until task.state == :waiting
        2.times { Rota.snooze }
        number = file.fileno
        loop.close(file)
        file_with_number(number, "private")
        drain(theirs)
        received = loop.recv_io(theirs)
        received.rewind
        assert_equal "meant", received.read
        task.await
        fill(ours)
        Rota.move_on_after(0.005) { send.call(loop, ours, $stdout) }
        [ours, theirs, received].each(&:close)
        close_sockets
        assert_equal before, Dir.children("/proc/self/fd").size, "duplicates are closed"
      end
    end
  end

  def test_with_rubys_own_form
    in_loop do |loop|
      ours, theirs = socket_pair
      reader, = pipes
      loop.send_io(ours, reader)
      theirs.recv_io.close
      ours.send_io(reader)
      loop.recv_io(theirs).close
    end
  end

  def test_descriptors_that_did_not_come
    in_loop do |loop|
      ours, theirs = socket_pair
      ours.write("x")
      assert_match(/no descriptor/, assert_raises(SocketError) { loop.recv_io(theirs) }.message)
      # more than one: the others are closed
      loop.sendmsg(ours, "x", 0, nil, Socket::AncillaryData.unix_rights(*pipes, *pipes))
      loop.recv_io(theirs).close
      # a class that takes none
      loop.send_io(ours, ours)
      assert_raises(NoMethodError) { loop.recv_io(theirs, Integer) }
      ours.close
      assert_nil loop.recv_io(theirs)
    end
  end

  def test_no_number_is_free
    out, errors, status = run_ruby(<<~RUBY)
      require "rota"
      Rota.run do
        ours, theirs = UNIXSocket.pair
        Rota.loop.send_io(ours, $stdout)
        GC.start # nothing of before is closed while there is no number left
        limit = Dir.children("/proc/self/fd").map(&:to_i).max + 1
        held = []
        Process.setrlimit(:NOFILE, limit, Process.getrlimit(:NOFILE).last)
        begin
          held << IO.for_fd(IO.sysopen("/dev/null")) while true
        rescue Errno::EMFILE
        end
        begin
          Rota.loop.recv_io(theirs)
        rescue Errno::EMFILE => e
          puts e.message
        end
      end
    RUBY
    assert_predicate status, :success?, errors
    assert_equal "Too many open files - recv_io\n", out
  end

  def test_a_descriptor_whose_object_is_dropped_meanwhile
    in_loop do |loop|
      ours, theirs = socket_pair
      loop.setsockopt(ours, Socket::SOL_SOCKET, Socket::SO_SNDBUF, 1)
      sent = 0
      made = ObjectSpace::WeakMap.new
      pipe = -> { IO.pipe.each { |io| made[io.binmode] = io } } # not true for each, see Timer#after
      sender = Rota.spin { 200.times { loop.send_io(ours, pipe.call.last) && (sent += 1) } }
      while sender.alive? || sent.positive?
        GC.start if rand < 0.1
        assert_predicate loop.recv_io(theirs).tap(&:close), :closed?
        break if (sent -= 1).zero? && sender.dead?
      end
      close_what_a_stack_still_names(made)
    end
  end

  private

  # The collector takes any word on a stack for a reference, so a few of many may live on.
  def close_what_a_stack_still_names(made)
    GC.start
    left = made.keys.reject(&:closed?)
    assert_operator left.size, :<, 20
    left.each(&:close)
  end

  def in_loop = Rota.run { yield(Rota.loop).tap { Rota.snooze } }

  def fill(socket)
    nil while socket.write_nonblock("x" * 4096, exception: false) != :wait_writable
  end

  def drain(socket)
    nil while socket.read_nonblock(65_536, exception: false) != :wait_readable
  end

  def udp = keep([UDPSocket.new]).first.tap { |socket| socket.bind("127.0.0.1", 0) }

  def pipes = keep(IO.pipe)

  def ipv6? = Socket.ip_address_list.any?(&:ipv6_loopback?)
end
