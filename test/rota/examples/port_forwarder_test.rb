# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"
require_relative "../../support/forwarding"

class PortForwarderTest < RotaTest
  include ExampleProcess
  include Forwarding

  def setup
    super
    @backend = keep([TCPServer.new("127.0.0.1", 0)]).first
    @proxy = start_example("port_forwarder", "#{LOCAL}=127.0.0.1:#{@backend.addr[1]}")
  end

  def test_a_slow_reader_holds_its_own_connection_alone
    slow, slow_server = connect_through
    quick, quick_server = connect_through
    writer = Thread.new { slow_server.write("x" * 20_000_000) }
    sleep 0.05 # every buffer on the way is full
    quick_server.write("answer")
    assert_equal "answer", quick.readpartial(100)
    count = 0
    count += slow.readpartial(100_000).bytesize while count < 20_000_000
    writer.join
  end
end
