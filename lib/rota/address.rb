# frozen_string_literal: true

module Rota
  # What "host:port", "[v6]:port", "unix:path" and URIs mean.
  #
  # @api private
  class Address
    # @param source [String, URI, Addrinfo]
    # @return [Rota::Address]
    # @raise [ArgumentError] for what is no address
    def self.parse(source)
      case source
      when Address then source
      when Addrinfo then from_addrinfo(source)
      when String then from_string(source)
      when method(:uri?) then from_uri(source)
      else raise ArgumentError, "no address: #{source.inspect} (\"host:port\", \"[v6]:port\" or \"unix:path\")"
      end
    end

    # Whoever has one has loaded the library, which takes as long as half of all of Rota.
    def self.uri?(source) = defined?(URI::Generic) && source.is_a?(URI::Generic)

    def self.from_addrinfo(info)
      info.unix? ? new(path: info.unix_path) : new(host: info.ip_address, port: info.ip_port)
    end

    def self.from_uri(uri)
      if uri.scheme == "unix"
        raise ArgumentError, "a host in a UNIX address: #{uri}" unless uri.host.to_s.empty?

        return new(path: unescape(uri.path))
      end
      raise ArgumentError, "no port in #{uri}" unless uri.host && uri.port

      new(host: uri.hostname, port: uri.port)
    end

    # No method of the library's does so on every Ruby without a warning.
    def self.unescape(path)
      path.b.gsub(/%\h\h/) { |code| code[1, 2].hex.chr }.force_encoding(path.encoding)
    end

    FORM = /\A(?:\[(?<v6>[^\]]+)\]|(?<host>[^:\[\]]*)):(?<port>\d{1,5})\z/
    private_constant :FORM

    def self.from_string(text)
      return from_uri(parse_uri(text)) if text.match?(%r{\A[a-z][a-z0-9+.-]*://}i)
      return new(path: text.delete_prefix("unix:")) if text.start_with?("unix:")

      match = FORM.match(text)
      raise ArgumentError, "no address: #{text.inspect} (\"host:port\", \"[v6]:port\" or \"unix:path\")" unless match
      raise ArgumentError, "no port: #{match[:port]}" if Integer(match[:port], 10) > 65_535

      new(host: match[:v6] || match[:host], port: Integer(match[:port], 10))
    end

    def self.parse_uri(text)
      require "uri"
      URI.parse(text)
    rescue URI::InvalidURIError => e
      raise ArgumentError, e.message
    end
    private_class_method :uri?, :from_addrinfo, :from_uri, :unescape, :from_string, :parse_uri

    attr_reader :host, :port, :path

    def initialize(host: nil, port: nil, path: nil)
      check_path(path) if path
      @host = host
      @port = port
      @path = path
    end

    def unix? = !path.nil?

    # @return [Array<Addrinfo>] to connect to, in the resolver's order
    # @raise [SocketError] unknown name
    def resolve
      return [Addrinfo.unix(path)] if unix?

      Resolver.resolve(host.empty? ? "localhost" : host, port)
    end

    # @return [Addrinfo] to listen on; an empty host or "*" is every IPv6 and IPv4 address
    # @raise [SocketError] unknown name
    def resolve_passive
      return Addrinfo.unix(path) if unix?
      return everywhere if host.empty? || host == "*"

      Resolver.resolve(host, port).first
    end

    def to_s
      return "unix:#{path}" if unix?

      host.include?(":") ? "[#{host}]:#{port}" : "#{host}:#{port}"
    end

    private

    # A kernel that was booted without IPv6 has no socket for "::".
    def everywhere
      Socket.new(:INET6, :STREAM).close
      Addrinfo.tcp("::", port)
    rescue Errno::EAFNOSUPPORT
      Addrinfo.tcp("0.0.0.0", port)
    end

    # The kernel would read a path up to its first zero byte. Behind one there is an abstract name.
    def check_path(path)
      raise ArgumentError, "empty path in a UNIX address" if path.empty?
      raise ArgumentError, "a zero byte in a path: #{path.inspect}" if path.b.index("\0", 1) && !path.start_with?("\0")
    end
  end
end
