# frozen_string_literal: true

require_relative "../test_helper"
require "tmpdir"

# Clients: what is connected to, in which order, and what becomes of the attempts that lost.
class ConnectTest < RotaTest
  # Addresses for names, as a resolver would give them. A test may give Addrinfos of its own.
  module Names
    @table = {}

    class << self
      attr_reader :table
    end

    def resolve(host, port)
      addresses = Names.table[host] or return super
      addresses.map { |ip| ip.is_a?(Addrinfo) ? ip : Addrinfo.tcp(ip, port) }
    end
  end
  Rota::Resolver.singleton_class.prepend(Names)

  def setup
    super
    Names.table.clear
  end

  def test_tcp
    with_server do |port|
      stream = Rota.connect("127.0.0.1:#{port}")
      assert_instance_of Rota::Stream, stream
      assert_equal "127.0.0.1 served", stream.read
      assert stream.to_io.getsockopt(:TCP, :NODELAY).bool
      assert_predicate stream.to_io, :close_on_exec?
      stream.close
    end
  end

  def test_a_name
    with_server { |port| assert_equal "127.0.0.1 served", read_all("localhost:#{port}") }
    with_server { |port| assert_equal "127.0.0.1 served", read_all(":#{port}") }
  end

  def test_ipv6
    skip "no IPv6 here" unless ipv6?
    with_server("::1") { |port| assert_equal "::1 served", read_all("[::1]:#{port}") }
  end

  def test_unix
    Dir.mktmpdir do |folder|
      Rota.run do
        listener = Rota.listen("unix:#{folder}/s") { |stream| stream << stream.gets }
        stream = Rota.connect("unix:#{folder}/s")
        stream << "hello\n"
        assert_equal "hello\n", stream.gets
        stream.close
        listener.stop
        assert_match(/connect/, assert_raises(Errno::ENOENT) { Rota.connect("unix:#{folder}/s") }.message)
      end
    end
  end

  def test_refused
    Rota.run do
      port = unused_port
      error = assert_raises(Errno::ECONNREFUSED) { Rota.connect("127.0.0.1:#{port}") }
      assert_match(/ - connect to 127\.0\.0\.1:#{port}\z/, error.message)
      name_is("everywhere", "127.0.0.1", "127.0.0.2", "127.0.0.3")
      assert_raises(Errno::ECONNREFUSED) { Rota.connect("everywhere:#{unused_port}") }
    end
  end

  def test_a_block_is_given_the_stream
    with_server do |port|
      stream = nil
      assert_equal 16, Rota.connect("127.0.0.1:#{port}") { |it| (stream = it).read.size }
      assert_predicate stream, :closed?
      assert_raises(KeyError) { Rota.connect("127.0.0.1:#{port}") { |it| {}.fetch(stream = it) } }
      assert_predicate stream, :closed?
    end
  end

  def test_refusing_addresses_are_passed_over
    with_server("127.0.0.3") do |port|
      name_is("one-is-right", "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
      assert_equal "127.0.0.3 served", read_all("one-is-right:#{port}")
    end
  end

  def test_an_address_that_does_not_answer_is_not_waited_for
    with_full_backlog("127.0.0.5") do |port|
      server = Rota.listen("127.0.0.6:#{port}") { |stream| stream << "served" }
      name_is("first-is-silent", "127.0.0.5", "127.0.0.6")
      assert_equal "served", read_all("first-is-silent:#{port}")
      server.stop
    end
  end

  # While one address is silent, each that fails gives way to the next at once.
  def test_failures_beside_a_silent_address
    with_full_backlog("127.0.0.5") do |port|
      server = Rota.listen("127.0.0.6:#{port}") { |stream| stream << "served" }
      name_is("many-refuse", "127.0.0.5", *(["127.0.0.7"] * 30), "127.0.0.6")
      assert_equal "served", Rota.move_on_after(5, with_value: :late) { read_all("many-refuse:#{port}") }
      server.stop
    end
  end

  # The kernel asks again after a second.
  def test_an_address_that_answers_late
    with_full_backlog("127.0.0.5") do |port, server|
      name_is("late", "127.0.0.5", "127.0.0.7")
      task = Rota.spin { Rota.connect("late:#{port}") }
      Rota.sleep(0.1)
      accepting = Rota.spin { Rota.loop.accept_each(server, &:close) }
      stream = task.await
      assert_equal "127.0.0.5", stream.remote_address.ip_address
      stream.close
      accepting.stop
    end
  end

  def test_a_timeout
    with_full_backlog("127.0.0.5") do |port|
      assert_raises(Rota::TimeoutError) { Rota.connect("127.0.0.5:#{port}", timeout: 0.02) }
      name_is("all-silent", "127.0.0.5", "127.0.0.5")
      assert_raises(Rota::TimeoutError) { Rota.connect("all-silent:#{port}", timeout: 0.3) }
    end
  end

  def test_a_cancelled_connect
    with_full_backlog("127.0.0.5") do |port|
      name_is("all-silent", "127.0.0.5", "127.0.0.5", "127.0.0.5")
      ["127.0.0.5:#{port}", "all-silent:#{port}"].each do |address|
        assert_equal :late, Rota.move_on_after(0.01, with_value: :late) { Rota.connect(address) }
        task = Rota.spin { Rota.connect(address) }
        Rota.sleep(0.002)
        task.terminate
        assert_nil task.await
      end
    end
  end

  def test_families_take_turns
    skip "no IPv6 here" unless ipv6?
    infos = %w[::1 ::2 ::3 127.0.0.1 127.0.0.2].map { |ip| Addrinfo.tcp(ip, 1) }
    assert_equal %w[::1 127.0.0.1 ::2 127.0.0.2 ::3], Rota::Connector.interleave(infos).map(&:ip_address)
    infos = %w[127.0.0.1 ::1 ::2 ::3].map { |ip| Addrinfo.tcp(ip, 1) }
    assert_equal %w[127.0.0.1 ::1 ::2 ::3], Rota::Connector.interleave(infos).map(&:ip_address)
    infos = %w[127.0.0.1 127.0.0.2].map { |ip| Addrinfo.tcp(ip, 1) }
    assert_equal %w[127.0.0.1 127.0.0.2], Rota::Connector.interleave(infos).map(&:ip_address)
  end

  def test_the_other_family
    skip "no IPv6 here" unless ipv6?
    with_server("127.0.0.1") do |port|
      name_is("both", "::1", "127.0.0.1")
      assert_equal "127.0.0.1 served", read_all("both:#{port}")
    end
  end

  # An address of a family that has no route fails at once and is passed over.
  def test_an_address_without_a_route
    with_server("127.0.0.1") do |port|
      name_is("unroutable", "ff00::1", "127.0.0.1")
      assert_equal "127.0.0.1 served", read_all("unroutable:#{port}")
    end
  end

  # Late winners are closed: the server sees every connection end.
  def test_who_lost_the_race_is_closed
    with_server("127.0.0.7") do |port|
      name_is("many", *(["127.0.0.7"] * 5))
      20.times { assert_equal "127.0.0.7 served", read_all("many:#{port}") }
    end
  end

  # The connection is there and its task is told, and before that one has its turn it is interrupted.
  def test_an_interrupt_between_the_victory_and_the_turn_of_the_racer
    with_server(handler: :read.to_proc) do |port|
      connected = Rota::Event.new
      first = Addrinfo.tcp("127.0.0.1", port)
      first.define_singleton_method(:ip?) { connected.signal(true) && super() }
      name_is("two", first, "127.0.0.2")
      racer = Rota.spin { Rota.connect("two:#{port}") }
      Rota.spin { connected.await && racer.raise(IndexError, "late") }
      assert_raises(IndexError) { racer.await }
    end
  end

  def test_the_loop_runs_while_a_name_is_looked_up
    ticks = 0
    with_server do |port|
      ticker = Rota.spin { (ticks += 1) && Rota.snooze while true } # rubocop:disable Style/InfiniteLoop
      assert_equal "127.0.0.1 served", read_all("localhost:#{port}")
      ticker.stop
    end
    assert_operator ticks, :>, 0
  end

  def test_a_look_up_that_nobody_waits_for_any_more
    Rota.run do
      assert_nil Rota.move_on_after(0) { Rota.connect("localhost:1") }
      Rota.sleep(0.01)
    end
  end

  def test_a_task_that_was_scheduled_by_others_meanwhile
    with_server do |port|
      task = Rota.spin { read_all("localhost:#{port}") }
      5.times do
        Rota.snooze
        task.schedule(:nonsense)
      end
      assert_equal "127.0.0.1 served", task.await
    end
  end

  def test_a_thousand_connections
    skip_below(2200)
    with_server(handler: ->(stream) { stream << stream.gets }) do |port|
      streams = Array.new(1000) { Rota.spin { Rota.connect("127.0.0.1:#{port}") } }.map(&:await)
      streams.each_with_index { |stream, i| stream << "#{i}\n" }
      assert_equal(Array.new(1000) { |i| "#{i}\n" }, streams.map(&:gets))
      streams.each(&:close)
    end
  end

  private

  def name_is(host, *addresses) = Names.table[host] = addresses

  def with_server(host = "127.0.0.1", handler: ->(stream) { stream << "#{host} served" })
    Rota.run do
      listener = Rota.listen(host.include?(":") ? "[#{host}]:0" : "#{host}:0", &handler)
      yield listener.address[/\d+\z/]
      500.times { listener.connections.zero? ? break : Rota.sleep(0.002) }
      assert_equal 0, listener.connections
      listener.stop
    end
  end

  # A listening socket whose backlog is full drops what comes.
  def with_full_backlog(host)
    server = Socket.new(:INET, :STREAM)
    server.bind(Addrinfo.tcp(host, 0))
    server.listen(0)
    fillers = Array.new(4) { Socket.new(:INET, :STREAM) }
    fillers.each { |socket| socket.connect_nonblock(server.local_address, exception: false) }
    sleep 0.02
    Rota.run { yield server.local_address.ip_port, server }
  ensure
    [server, *fillers].each(&:close)
  end

  def read_all(address)
    stream = Rota.connect(address)
    stream.read
  ensure
    stream&.close
  end

  def ipv6? = Socket.ip_address_list.any?(&:ipv6_loopback?)

  def unused_port = TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }

  def skip_below(descriptors)
    soft, hard = Process.getrlimit(:NOFILE)
    skip "the limit on open files is #{hard}" if hard < descriptors
    Process.setrlimit(:NOFILE, descriptors, hard) if soft < descriptors
  end
end
