# frozen_string_literal: true

require "test_helper"
require "resolv"
require_relative "../support/cooperation"

class SchedulerSocketTest < RotaTest
  include Cooperation

  # The block talks to a thread that runs `peer` on each connection.
  def with_server(peer)
    TCPServer.open("127.0.0.1", 0) do |server|
      thread = Thread.new do
        connection = server.accept
        peer.call(connection)
        connection.close
      end
      yield(server.addr[1]).tap { thread.join }
    end
  end

  LATE = ->(connection) { sleep(0.02) and connection.puts("hello") }

  as_ruby(:tcp_socket) { with_server(LATE) { |port| TCPSocket.open("127.0.0.1", port, &:gets) } }
  as_ruby(:tcp_socket_by_name) { with_server(LATE) { |port| TCPSocket.open("localhost", port, &:gets) } }
  as_ruby(:socket_tcp) { with_server(LATE) { |port| Socket.tcp("localhost", port, &:gets) } }
  as_ruby(:recv) { with_server(LATE) { |port| TCPSocket.open("127.0.0.1", port) { |s| s.recv(20) } } }
  as_ruby(:recvmsg) { with_server(LATE) { |port| TCPSocket.open("127.0.0.1", port) { |s| s.recvmsg[0] } } }
  as_ruby(:refused, waits: false) do
    port = TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }
    class_of_error { TCPSocket.open("127.0.0.1", port) }
  end
  as_ruby(:accept) do
    TCPServer.open("127.0.0.1", 0) do |server|
      thread = Thread.new { sleep(0.02) and TCPSocket.open("127.0.0.1", server.addr[1]) { |s| s << "hi" } }
      server.accept.then { |s| s.read.tap { s.close } }.tap { thread.join }
    end
  end
  as_ruby(:accept_nonblock, waits: false) { TCPServer.open("127.0.0.1", 0) { |s| s.accept_nonblock(exception: false) } }
  as_ruby(:udp) do
    a, b = Array.new(2) { UDPSocket.new.tap { |s| s.bind("127.0.0.1", 0) } }
    thread = Thread.new { sleep(0.02) and b.send("datagram", 0, "127.0.0.1", a.addr[1]) }
    [a.recvfrom(20)[0], a.recvfrom_nonblock(20, exception: false)].tap { thread.join and [a, b].each(&:close) }
  end
  as_ruby(:unix) do
    UNIXSocket.pair.then { |a, b| Thread.new { sleep(0.02) and b << "x" and b.close } and a.read.tap { a.close } }
  end
  as_ruby(:many_bytes) do
    with_server(->(connection) { sleep(0.01) and connection << connection.read }) do |port|
      TCPSocket.open("127.0.0.1", port) do |socket|
        socket << ("x" * 3_000_000)
        socket.close_write
        socket.read.size
      end
    end
  end

  as_ruby(:addrinfo, waits: false) { Addrinfo.getaddrinfo("localhost", 80, nil, :STREAM).map(&:ip_address).sort }
  as_ruby(:getaddrinfo, waits: false) { Socket.getaddrinfo("localhost", 80, nil, :STREAM).map { |info| info[3] }.sort }
  as_ruby(:an_unknown_name, waits: false) { class_of_error { Addrinfo.getaddrinfo("nothing.invalid", 80) } }
  as_ruby(:resolv_by_hosts, waits: false) { Resolv.new([Resolv::Hosts.new]).getaddress("localhost").empty? }

  cooperates(:resolv_by_dns) do
    server = UDPSocket.new
    server.bind("127.0.0.1", 0)
    answering = Thread.new { answer_query(server) while true } # rubocop:disable Style/InfiniteLoop
    dns = Resolv::DNS.new(nameserver_port: [["127.0.0.1", server.addr[1]]], search: [], ndots: 1)
    assert_equal "192.0.2.7", dns.getaddress("a.test").to_s
    dns.close
    answering.kill.join
    server.close
  end

  # Addresses of version 4 only.
  def answer_query(server)
    bytes, from = server.recvfrom(512)
    sleep(0.02)
    query = Resolv::DNS::Message.decode(bytes)
    answer = Resolv::DNS::Message.new(query.id)
    answer.qr = 1
    query.each_question do |name, type|
      answer.add_question(name, type)
      next unless type == Resolv::DNS::Resource::IN::A

      answer.add_answer(name, 60, Resolv::DNS::Resource::IN::A.new("192.0.2.7"))
    end
    server.send(answer.encode, 0, from[3], from[1])
  end

  # The lines of one client after the other, by an enumerator whose block reads.
  if RUBY_VERSION >= "3.3"
    def test_enumerators_over_sockets
      got = Rota.run do
        pairs = Array.new(10) { keep(UNIXSocket.pair) }
        readers = pairs.map { |a, _|
          Rota.spin {
            a.each_line(chomp: true).then { |lines|
              Array.new(3) {
                lines.next
              }
            }
          }
        }
        3.times { |round| pairs.map(&:last).each { |b| sleep(0) and b.puts("line #{round}") } }
        readers.map(&:await)
      end
      assert_equal [["line 0", "line 1", "line 2"]] * 10, got
    end
  end

  # The sender is always said to be writable: it tries again and again.
  def test_a_datagram_to_a_receiver_that_is_full_keeps_nobody_from_running
    address = Addrinfo.unix("\0rota-full-#{$$}", :DGRAM)
    receiver, sender = Array.new(2) { Socket.new(:UNIX, :DGRAM) }
    receiver.bind(address)
    Rota.run do
      Rota.snooze while sender.sendmsg_nonblock("x", 0, address, exception: false) == 1
      assert_nil Rota.move_on_after(0.01) { sender.sendmsg("x", 0, address) }
      sending = Rota.spin { sender.sendmsg("last", 0, address) }
      Rota.sleep(0.01)
      receiver.recv(10)
      assert_equal 4, sending.await
    end
  ensure
    [receiver, sender].compact.each(&:close)
  end

  def test_a_hundred_clients_of_one_server
    answers = Rota.run do
      server = TCPServer.new("127.0.0.1", 0)
      accepting = Rota.spin do
        loop { server.accept.then { |c| Rota.current.parent.spin { c.puts(c.gets.upcase) or c.close } } }
      end
      clients = Array.new(100) do |i|
        Rota.spin { TCPSocket.open("127.0.0.1", server.addr[1]) { |s| s.puts("client #{i}") or s.gets } }
      end
      clients.map(&:await).tap { accepting.terminate and server.close }
    end
    assert_equal Array.new(100) { |i| "CLIENT #{i}\n" }, answers
  end

  if Socket.respond_to?(:tcp_fast_fallback=)
    def test_the_socket_classes_ask_the_scheduler_meanwhile
      before = Socket.tcp_fast_fallback
      Rota.run { refute Socket.tcp_fast_fallback }
      assert_equal before, Socket.tcp_fast_fallback
    end
  end
end
