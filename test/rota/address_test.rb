# frozen_string_literal: true

require_relative "../test_helper"
require "uri"

# What an address may look like.
class AddressTest < RotaTest
  GOOD = {
    "127.0.0.1:80" => ["127.0.0.1", 80, nil],
    "example.org:8080" => ["example.org", 8080, nil],
    "localhost:0" => ["localhost", 0, nil],
    ":80" => ["", 80, nil],
    "*:80" => ["*", 80, nil],
    "[::1]:443" => ["::1", 443, nil],
    "[fe80::1%lo]:443" => ["fe80::1%lo", 443, nil],
    "[::]:65535" => ["::", 65_535, nil],
    "unix:/run/x.sock" => [nil, nil, "/run/x.sock"],
    "unix:relative.sock" => [nil, nil, "relative.sock"],
    "unix:\0abstract" => [nil, nil, "\0abstract"],
    "unix:///run/x.sock" => [nil, nil, "/run/x.sock"],
    "unix:///run/a%20b%25.sock" => [nil, nil, "/run/a b%.sock"],
    "unix:/run/a%20b.sock" => [nil, nil, "/run/a%20b.sock"],
    "tcp://127.0.0.1:80" => ["127.0.0.1", 80, nil],
    "tcp://[::1]:80" => ["::1", 80, nil],
    "http://example.org" => ["example.org", 80, nil],
    "https://example.org/path" => ["example.org", 443, nil]
  }.freeze

  BAD = ["", "localhost", "80", "::1:80", "[::1]", "[::1]80", "a:b", "a:", "a:65536", "a:-1", "a:1:2", "unix:",
         "a:8 0", "a:80\n", "tcp://", "tcp://x", "unix://", "a b:80 ", "unix:/a\0b", "unix:///a%00b", "unix://tmp/x",
         "http://a b/", nil, 80, :"localhost:80", ["a", 80], {}].freeze

  def test_addresses
    GOOD.each do |source, (host, port, path)|
      address = Rota::Address.parse(source)
      if path
        assert_equal path, address.path, source
        assert_predicate address, :unix?
      else
        assert_equal [host, port], [address.host, address.port], source
        refute_predicate address, :unix?
      end
    end
  end

  def test_what_is_no_address
    BAD.each do |source|
      assert_raises(ArgumentError, source.inspect) { Rota::Address.parse(source) }
      assert_raises(ArgumentError, source.inspect) { Rota.run { Rota.connect(source) } }
      assert_raises(ArgumentError, source.inspect) { Rota.run { Rota.listen(source) { flunk } } }
    end
  end

  def test_objects
    assert_equal "127.0.0.1:80", Rota::Address.parse(Addrinfo.tcp("127.0.0.1", 80)).to_s
    assert_equal "[::1]:80", Rota::Address.parse(Addrinfo.tcp("::1", 80)).to_s
    assert_equal "unix:/x", Rota::Address.parse(Addrinfo.unix("/x")).to_s
    assert_equal "[::1]:81", Rota::Address.parse(URI("tcp://[::1]:81")).to_s
    assert_equal "unix:/x", Rota::Address.parse(URI("unix:///x")).to_s
    address = Rota::Address.parse("a:1")
    assert_same address, Rota::Address.parse(address)
  end

  def test_text_and_back
    GOOD.each_key do |source|
      text = Rota::Address.parse(source).to_s
      assert_equal text, Rota::Address.parse(text).to_s
    end
  end

  # Whoever does not use URIs does not pay for them.
  def test_what_is_loaded
    script = <<~RUBY
      require "rota"
      loaded = -> { defined?(URI::Generic) ? 1 : 0 }
      print loaded.call, Rota::Address.parse("a:1"), (Rota::Address.parse(nil) rescue $!.class), loaded.call
      print Rota::Address.parse("tcp://b:2"), loaded.call
    RUBY
    output, errors, status = run_ruby(script)
    assert_equal ["0a:1ArgumentError0b:21", true], [output, status.success?], errors
  end

  def test_unknown_names
    Rota.run do
      error = assert_raises(SocketError) { Rota.connect("no-such-name.invalid:80") }
      assert_match(/no-such-name|getaddrinfo/, error.message)
      assert_raises(SocketError) { Rota.listen("no-such-name.invalid:80") { flunk } }
    end
  end
end
