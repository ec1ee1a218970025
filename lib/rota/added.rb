# frozen_string_literal: true

require "rota/io_methods"
require "rota/socket_methods"
require "rota/server_methods"

module Rota
  # The methods that Rota adds to Ruby's own classes. Nothing that exists is replaced: a name that a
  # class has already, from Ruby or from another library, stays what it is.
  #
  # @api private
  module Added
    # @return [void]
    def self.add(methods, *classes)
      classes.each do |klass|
        next if klass.include?(methods)

        taken = methods.instance_methods(false).select { |name| known?(klass, name) }
        klass.include(taken.empty? ? methods : without(methods, taken))
      end
    end

    def self.known?(klass, name) = klass.method_defined?(name) || klass.private_method_defined?(name)

    def self.without(methods, names)
      methods.clone.tap { |rest| names.each { |name| rest.remove_method(name) } }
    end
    private_class_method :known?, :without

    add(IOMethods, IO)
    add(Pieces, IO)
    add(SocketMethods, BasicSocket)
    add(ServerMethods, TCPServer, UNIXServer, Socket)
  end
end

# Loaded before: then its classes get theirs. An autoload that nobody used yet is left alone.
require "rota/ssl_methods" if !Object.autoload?(:OpenSSL) && defined?(OpenSSL::SSL::SSLSocket)
