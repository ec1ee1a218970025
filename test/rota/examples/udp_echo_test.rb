# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"

class UDPEchoTest < RotaTest
  include ExampleProcess

  def test_datagrams_come_back
    server = start_example("udp_echo", LOCAL)
    clients = keep(Array.new(3) { UDPSocket.new.tap { |socket| socket.connect(server.host, server.port) } })
    clients.each_with_index { |client, index| client.send("client #{index}", 0) }
    assert_equal ["client 0", "client 1", "client 2"], clients.map { |client| client.recv(100) }
    clients.first.send("", 0)
    assert_equal ["", 4], [clients.first.recvmsg.first.to_s, clients.last.send("last", 0)]
    clients.first.send("x" * 2000, 0)
    assert_equal "x" * 1472, clients.first.recv(3000)
  end

  # An answer that nobody takes any more.
  def test_clients_that_are_gone
    server = start_example("udp_echo", LOCAL)
    20.times do
      UDPSocket.open do |client|
        client.connect(server.host, server.port)
        client.send("gone", 0)
      end
    end
    client = keep([UDPSocket.new]).first
    client.connect(server.host, server.port)
    client.send("still here", 0)
    assert_equal "still here", client.recv(100)
  end
end
