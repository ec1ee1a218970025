# frozen_string_literal: true

require_relative "bytes_contract"

# The contract of bytes over every transport, with every engine and under every row of options.
Transports.each_case do |name, transport, options|
  contracts = [VerbsContract, StreamContract]
  contracts << SocketVerbsContract if transport.socket
  contracts.each do |contract|
    test = Class.new(RotaTest) do
      include contract
      define_method(:transport) { transport }
      define_method(:options) { options }
    end
    Object.const_set("#{contract}#{name}Test", test)
  end
end
