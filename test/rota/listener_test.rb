# frozen_string_literal: true

require_relative "../test_helper"
require "tmpdir"
require "uri"

# Servers: what is listened on, who is served, and how it ends.
class ListenerTest < RotaTest
  LOCAL = "127.0.0.1:0"

  def test_an_echo_server
    with_listener(LOCAL, ->(stream) { stream.read_loop { |bytes| stream << bytes } }) do |listener|
      client = Rota.connect(listener.address)
      client << "hello\n"
      assert_equal "hello\n", client.gets
      assert_equal 1, listener.connections
      client.close
      settle { listener.connections.zero? }
    end
  end

  def test_addresses
    Dir.mktmpdir do |folder|
      { LOCAL => /\A127\.0\.0\.1:\d+\z/, "localhost:0" => /\A(127\.0\.0\.1|\[::1\]):\d+\z/,
        "unix:#{folder}/s" => %r{\Aunix:#{folder}/s\z}, Addrinfo.tcp("127.0.0.1", 0) => /\A127/,
        URI("tcp://127.0.0.1:0") => /\A127/ }.each do |source, pattern|
        with_listener(source, ->(stream) { stream << "served" }) do |listener|
          assert_match pattern, listener.address
          assert_match(/Rota::Listener #{Regexp.escape(listener.address)} connections=0/, listener.inspect)
          assert_equal "served", read_all(Rota.connect(listener.address))
        end
      end
      refute_path_exists "#{folder}/s"
    end
  end

  def test_an_abstract_address_has_no_file
    name = "unix:\0rota-#{Process.pid}"
    with_listener(name, ->(stream) { stream << "served" }) do |listener|
      assert_equal name, listener.address
      assert_equal "served", read_all(Rota.connect(name))
      assert_nil listener.stop
    end
  end

  def test_the_file_of_a_successor_stays
    Dir.mktmpdir do |folder|
      path = "#{folder}/s"
      with_listener("unix:#{path}", proc {}) do |listener|
        File.unlink(path)
        successor = Rota.listen("unix:#{path}") { |stream| stream << "served" }
        listener.stop
        assert_equal "served", read_all(Rota.connect("unix:#{path}"))
        successor.stop
        refute_path_exists path
      end
    end
  end

  def test_a_relative_path_is_removed_from_elsewhere
    Dir.mktmpdir do |folder|
      listener = nil
      Rota.run do
        Dir.chdir(folder) { listener = Rota.listen("unix:s") { nil } }
        assert_path_exists "#{folder}/s"
        listener.stop
      end
      refute_path_exists "#{folder}/s"
    end
  end

  def test_every_address
    skip "no IPv6 here" unless Socket.ip_address_list.any?(&:ipv6_loopback?)
    [":0", "*:0", "[::]:0"].each do |source|
      with_listener(source, ->(stream) { stream << "served" }) do |listener|
        port = listener.address[/\d+\z/]
        ["127.0.0.1:#{port}", "[::1]:#{port}", "localhost:#{port}"].each do |address|
          assert_equal "served", read_all(Rota.connect(address)), address
        end
      end
    end
  end

  def test_every_address_where_the_kernel_knows_no_ipv6
    Socket.define_singleton_method(:new) do |family, *rest|
      raise Errno::EAFNOSUPPORT if [:INET6, Socket::AF_INET6].include?(family)

      super(family, *rest)
    end
    with_listener(":0", ->(stream) { stream << "served" }) do |listener|
      assert_match(/\A0\.0\.0\.0:/, listener.address)
      assert_equal "served", read_all(Rota.connect("127.0.0.1:#{listener.address[/\d+\z/]}"))
    end
  ensure
    Socket.singleton_class.remove_method(:new)
  end

  def test_a_server_socket_of_the_caller
    server = keep([TCPServer.new("127.0.0.1", 0)]).first
    with_listener(server, ->(stream) { stream << "served" }) do |listener|
      assert_equal "served", read_all(Rota.connect(listener.address))
      listener.stop
      refute_predicate server, :closed?
    end
    client = keep([TCPSocket.new("127.0.0.1", server.addr[1])]).first
    server.accept.close # it is usable further
    assert_nil client.read(1)
  end

  def test_a_server_socket_made_by_hand
    Rota.run do
      server = Rota.loop.socket(Socket::AF_INET, Socket::SOCK_STREAM)
      Rota.loop.bind(server, Addrinfo.tcp("127.0.0.1", 0))
      assert_raises(ArgumentError) { Rota.listen(server) { flunk } }
      Rota.loop.listen(server)
      listener = Rota.listen(server) { |stream| stream << "served" }
      assert_equal "served", read_all(Rota.connect(listener.address))
      listener.stop
      refute_predicate server, :closed?
      server.close
    end
    assert_raises(ArgumentError) { Rota.run { Rota.listen(socket_pair.first) { flunk } } }
  end

  def test_counters
    with_listener(LOCAL, lambda(&:gets)) do |listener|
      clients = Array.new(3) { Rota.connect(listener.address) }
      settle { listener.connections == 3 }
      clients.each(&:close)
      settle { listener.connections.zero? }
      assert_equal 3, listener.accepted
      2.times { Rota.connect(listener.address).close }
      settle { listener.accepted == 5 && listener.connections.zero? }
    end
  end

  def test_stop_before_anything_has_begun
    Dir.mktmpdir do |folder|
      Rota.run do
        before = Leaks.descriptors
        listener = Rota.listen("unix:#{folder}/s") { flunk }
        listener.stop
        assert_equal "unix:#{folder}/s", listener.address
        assert_empty Leaks.descriptors.keys - before.keys
        refute_path_exists "#{folder}/s"
      end
    end
  end

  def test_the_end_of_the_run_before_anything_else_ran
    Dir.mktmpdir do |folder|
      before = Leaks.descriptors
      assert_raises(IndexError) do
        Rota.run do
          Rota.listen("unix:#{folder}/s") { flunk }
          raise IndexError
        end
      end
      assert_empty Leaks.descriptors.keys - before.keys
      refute_path_exists "#{folder}/s"
    end
  end

  def test_an_end_before_the_listeners_task_has_begun
    Dir.mktmpdir do |folder|
      Rota.run do
        before = Leaks.descriptors
        listening = Rota.spin { Rota.listen("unix:#{folder}/s") { flunk } }
        Rota.snooze until (task = listening.children.first)
        task.terminate
        assert_raises(Rota::Error) { listening.await }
        assert_empty Leaks.descriptors.keys - before.keys
        refute_path_exists "#{folder}/s"
      end
    end
  end

  # Core raises at its own blocking calls what others raised in the thread.
  def test_an_interrupt_while_the_file_is_looked_at
    Dir.mktmpdir do |folder|
      Rota.run do
        before = Leaks.descriptors
        thread = Thread.current
        raiser = Thread.new { thread.raise(IndexError) }
        nil while raiser.alive?
        listener = nil
        assert_raises(IndexError) do
          listener = Rota.listen("unix:#{folder}/s") { flunk }
          loop { Rota.snooze }
        end
        listener&.stop
        assert_empty Leaks.descriptors.keys - before.keys
        refute_path_exists "#{folder}/s"
      end
    end
  end

  # Accepted in the turn in which the listener ends: the connection's task never begins.
  def test_the_end_before_a_connection_is_served
    Rota.run do
      listener = Rota.listen(LOCAL) { flunk }
      2.times { Rota.snooze }
      near, far = Rota.pair
      listener.instance_variable_get(:@task).terminate
      listener.__send__(:start, near)
      assert_equal 1, listener.connections
      listener.await
      assert_equal [0, true], [listener.connections, near.closed?]
      assert_nil far.gets
      far.close
    end
  end

  def test_a_second_stop_may_be_in_a_hurry
    with_listener(LOCAL, lambda(&:gets)) do |listener|
      client = Rota.connect(listener.address)
      settle { listener.connections == 1 }
      patient = Array.new(2) { Rota.spin { listener.stop(graceful: 30) } }
      Rota.sleep(0.002)
      assert_nil listener.stop
      patient.each { |task| assert_nil task.await }
      assert_nil client.gets
      client.close
    end
  end

  def test_many_wait_for_the_end_of_connections
    with_listener(LOCAL, lambda(&:gets)) do |listener|
      client = Rota.connect(listener.address)
      settle { listener.connections == 1 }
      patient = Array.new(3) { Rota.spin { listener.stop(graceful: nil) } }
      Rota.sleep(0.002)
      client << "x\n"
      patient.each { |task| assert_nil task.await }
      client.close
    end
  end

  def test_an_address_in_use
    with_listener(LOCAL, ->(_) {}) do |listener|
      assert_raises(Errno::EADDRINUSE) { Rota.listen(listener.address) { flunk } }
    end
    Rota.run { assert_raises(Errno::ENOENT) { Rota.listen("unix:/no/such/folder") { flunk } } }
    Rota.run { assert_raises(ArgumentError) { Rota.listen("unix:#{'x' * 200}") { flunk } } }
    Rota.run { assert_raises(ArgumentError) { Rota.listen(LOCAL) } }
  end

  def test_reuse_port
    Rota.run do
      first = Rota.listen(LOCAL, reuse_port: true) { |stream| stream << "1" }
      second = Rota.listen(first.address, reuse_port: true) { |stream| stream << "2" }
      found = Array.new(40) { read_all(Rota.connect(first.address)) }
      assert_empty found - %w[1 2]
      [first, second].each(&:stop)
    end
  end

  def test_an_address_is_free_again
    Rota.run do
      first = Rota.listen(LOCAL, &:gets)
      client = Rota.connect(first.address)
      address = first.address
      first.stop
      second = Rota.listen(address) { |stream| stream << "second" }
      assert_equal "second", read_all(Rota.connect(address))
      client.close
      second.stop
    end
  end

  def test_stop_at_once_ends_connections
    ended = 0
    with_listener(LOCAL, ->(_) { flunk }, &:stop) # before anybody came
    handler = lambda do |stream|
      stream.gets
    ensure
      ended += 1
    end
    with_listener(LOCAL, handler) do |listener|
      clients = Array.new(5) { Rota.connect(listener.address) }
      settle { listener.connections == 5 }
      assert_nil listener.stop
      assert_equal 5, ended
      assert_equal 0, listener.connections
      assert_predicate listener, :stopped?
      assert_match(/stopped/, listener.inspect)
      clients.each { |client| assert_nil client.gets }
      clients.each(&:close)
      assert_nil listener.stop
    end
  end

  def test_a_graceful_stop_is_given_seconds
    with_listener(LOCAL, ->(stream) { stream << stream.gets }) do |listener|
      assert_raises(TypeError) { listener.stop(graceful: "1") }
      refute_predicate listener, :stopped?
    end
  end

  def test_a_graceful_stop_waits
    with_listener(LOCAL, ->(stream) { stream << stream.gets }) do |listener|
      client = Rota.connect(listener.address)
      settle { listener.connections == 1 }
      stopping = Rota.spin { listener.stop(graceful: 30) }
      Rota.sleep(0.005)
      assert_equal :waiting, stopping.state
      client << "late\n"
      assert_equal "late\n", client.gets
      assert_nil stopping.await
      client.close
    end
  end

  def test_a_graceful_stop_refuses_who_comes
    with_listener(LOCAL, lambda(&:gets)) do |listener|
      client = Rota.connect(listener.address)
      settle { listener.connections == 1 }
      stopping = Rota.spin { listener.stop(graceful: 30) }
      settle { refused?(listener.address) }
      assert_equal :waiting, stopping.state
      client.close
      stopping.await
    end
  end

  def test_a_graceful_stop_ends
    with_listener(LOCAL, lambda(&:gets)) do |listener|
      client = Rota.connect(listener.address)
      settle { listener.connections == 1 }
      assert_nil listener.stop(graceful: 0.01)
      assert_nil client.gets
      client.close
    end
  end

  def test_a_graceful_stop_without_end
    with_listener(LOCAL, ->(stream) { stream << stream.gets }) do |listener|
      client = Rota.connect(listener.address)
      settle { listener.connections == 1 }
      stopping = Rota.spin { listener.stop(graceful: nil) }
      Rota.sleep(0.005)
      client << "bye\n"
      stopping.await
      assert_equal "bye\n", client.gets
      client.close
    end
  end

  def test_stop_from_a_connection
    Rota.run do
      listener = Rota.listen(LOCAL) do |stream|
        stream << "bye"
        listener.stop
        flunk "its own task goes on"
      end
      assert_equal "bye", read_all(Rota.connect(listener.address))
      listener.await
      assert_predicate listener, :stopped?
    end
  end

  def test_a_handler_that_raises_ends_its_connection_and_tells
    error = assert_raises(IndexError) do
      Rota.run do
        listener = Rota.listen(LOCAL) { |_stream| raise IndexError, "handler" }
        client = Rota.connect(listener.address)
        client.gets
        Rota.sleep
      ensure
        client&.close
      end
    end
    assert_equal "handler", error.message
  end

  # There is nothing to run its block with any more.
  def test_a_connection_is_not_restarted
    served = 0
    with_listener(LOCAL, ->(_) { (served += 1) == 1 && Rota.current.restart && Rota.snooze }) do |listener|
      2.times { assert_equal "", read_all(Rota.connect(listener.address)) }
      settle { listener.connections.zero? }
      assert_equal [2, 2, 0], [served, listener.accepted, listener.connections]
    end
  end

  def test_a_peer_that_leaves_costs_its_own_connection
    with_listener(LOCAL, ->(stream) { loop { (stream << ("x" * 100_000)) && Rota.sleep(0.0005) } }) do |listener|
      20.times do |i|
        client = keep([TCPSocket.new(*listener.address.split(":"))]).first
        client.setsockopt(Socket::Option.linger(true, 0)) if i.even?
        Rota.loop.read(client, 10) if (i % 3).zero?
        client.close
      end
      client = Rota.connect(listener.address)
      assert_equal "x", client.read(1)
      client.close
      settle { listener.connections.zero? }
    end
  end

  # A reset before it was accepted: nobody hears of it.
  def test_clients_that_are_gone_before_they_are_accepted
    served = 0
    server = keep([TCPServer.new("127.0.0.1", 0)]).first
    30.times do
      client = TCPSocket.new("127.0.0.1", server.addr[1])
      client.setsockopt(Socket::Option.linger(true, 0))
      client.close
    end
    with_listener(server, ->(stream) { stream.gets.tap { served += 1 } }) do |listener|
      client = Rota.connect(listener.address)
      client << "x\n"
      settle { served >= 1 && listener.connections.zero? }
      client.close
    end
  end

  def test_connections_are_not_left_open
    count = 0
    with_listener(LOCAL, ->(stream) { (count += 1) && stream.gets }) do |listener|
      200.times { Rota.connect(listener.address).close }
      settle { count == 200 && listener.connections.zero? }
    end
  end

  def test_a_handler_may_close_its_stream
    with_listener(LOCAL, lambda(&:close)) do |listener|
      client = Rota.connect(listener.address)
      assert_nil client.gets
      client.close
    end
  end

  def test_run_serves_until_it_is_stopped
    ticks = 0
    Rota.run do
      listener = Rota.listen(LOCAL) { |stream| stream << "x" }
      Rota.spin do
        ticks += 1 while ticks < 3 && read_all(Rota.connect(listener.address)) == "x"
        listener.stop
      end
    end
    assert_equal 3, ticks
  end

  # At the limit on descriptors the listener waits and goes on; nobody who waits in the backlog is lost.
  def test_no_descriptor_left
    [[], %i[multishot_accept]].each do |without|
      out, errors, status = run_ruby(<<~RUBY, without.inspect)
        require "rota"
        without = eval(ARGV[0])
        _, hard = Process.getrlimit(:NOFILE)
        Process.setrlimit(:NOFILE, 64, hard)
        Rota.run(without: without) do
          served = 0
          listener = Rota.listen("127.0.0.1:0") { |stream| served += 1; stream << stream.gets }
          port = listener.address[/\\d+\\z/]
          # The clients live in another process: they must not run into the limit themselves.
          reader, writer = IO.pipe
          pid = spawn(RbConfig.ruby, "-rsocket", "-e", <<~'CLIENTS', port, out: writer, close_others: true, rlimit_nofile: [1000, hard])
            sockets = Array.new(150) { TCPSocket.new("127.0.0.1", ARGV[0]) }
            sleep 0.2
            sockets.each { |socket| socket.write("hello\\n") }
            puts sockets.map(&:gets).tally.inspect
          CLIENTS
          writer.close
          answer = Rota.loop.read(reader, 1000)
          Process.wait(pid)
          puts answer, served
          listener.stop
          exhausted = Dir.children("/proc/self/fd").size
          puts exhausted < 30
        end
      RUBY
      assert_predicate status, :success?, errors
      assert_equal "{\"hello\\n\"=>150}\n150\ntrue\n", out.gsub(" => ", "=>"), errors
    end
  end

  private

  def refused?(address)
    Rota.connect(address).close
    false
  rescue Errno::ECONNREFUSED
    true
  end

  def with_listener(address, handler)
    Rota.run do
      listener = Rota.listen(address, &handler)
      yield listener
      listener.stop
    end
  end

  def read_all(stream)
    stream.read
  ensure
    stream.close
  end

  def settle
    500.times { yield ? break : Rota.sleep(0.002) }
    assert yield
  end
end
