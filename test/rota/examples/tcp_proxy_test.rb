# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"
require_relative "../../support/forwarding"

class TCPProxyTest < RotaTest
  include ExampleProcess
  include Forwarding

  def setup
    super
    @backend = keep([TCPServer.new("127.0.0.1", 0)]).first
    @proxy = start_example("tcp_proxy", LOCAL, "127.0.0.1:#{@backend.addr[1]}")
  end
end
