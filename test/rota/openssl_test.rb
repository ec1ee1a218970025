# frozen_string_literal: true

require_relative "../test_helper"
require "openssl"
require "rota/openssl"

# The added methods of OpenSSL's sockets: they go through TLS.
class OpenSSLTest < RotaTest
  time_limit 10
  KEY = OpenSSL::PKey::EC.generate("prime256v1")
  CERTIFICATE = OpenSSL::X509::Certificate.new.tap do |certificate|
    certificate.version = 2
    certificate.serial = 1
    certificate.subject = certificate.issuer = OpenSSL::X509::Name.parse("/CN=localhost")
    certificate.public_key = KEY
    certificate.not_before = Time.now - 60
    certificate.not_after = Time.now + 3600
    certificate.sign(KEY, "SHA256")
  end

  def test_read_loop
    with_pair do |client, server|
      text = Random.new(4).bytes(60_000)
      Rota.spin { client.write(text) && client.close }
      found = +"".b
      assert_same(server, server.read_loop(1000) { |bytes| found << bytes })
      assert_equal text, found
      assert_raises(LocalJumpError) { server.read_loop }
      assert_raises(ArgumentError) { server.read_loop(0) { flunk } }
    end
  end

  def test_recv_loop_and_feed_loop
    with_pair do |client, server|
      client.no_delay << "to the server"
      client.close
      found = +""
      server.feed_loop(found, :<<)
      assert_equal "to the server", found
      server.recv_loop { flunk }
    end
  end

  def test_a_copy_that_is_cut_short_loses_nothing
    with_pair do |client, ssl|
      reader, writer = IO.pipe
      text = Random.new(7).bytes(200_000)
      sending = Rota.spin { client.write(text) && client.close }
      error = assert_raises(Rota::TimeoutError) { Rota.cancel_after(0.05) { ssl.copy_to(writer) } }
      arrived = reader.readpartial(1 << 20)
      assert_equal arrived.bytesize, error.bytes_written
      reader.close
      assert_raises(Errno::EPIPE) { ssl.copy_to(writer) }
      ssl.read_loop { |bytes| arrived << bytes }
      assert_equal text, arrived
      sending.await
      writer.close
    end
  end

  def test_a_splice_that_is_cut_short_loses_nothing
    with_pair do |client, ssl|
      reader, writer = IO.pipe
      text = Random.new(9).bytes(8_000_000)
      feeding = Rota.spin { writer.write(text) && writer.close }
      assert_raises(Rota::TimeoutError) do
        Rota.cancel_after(0.1) { nil while ssl.splice_from(reader, 60_000).positive? }
      end
      found = +"".b
      taking = Rota.spin { client.read_loop { |bytes| found << bytes } }
      nil while ssl.splice_from(reader, 500).positive?
      ssl.close
      [feeding, taking].each(&:await)
      reader.close
      assert_equal text, found
    end
  end

  def test_a_block_that_raises_eof_error
    with_pair do |client, server|
      client << "x"
      assert_raises(EOFError) { server.read_loop { raise EOFError } }
    end
  end

  # Clients that say nothing, or nonsense, hold up nobody.
  def test_accept_loop
    with_server do |server|
      port = server.addr[1]
      mute, wrong = keep(Array.new(2) { TCPSocket.new("127.0.0.1", port) })
      wrong << "GET / HTTP/1.0\r\n\r\n"
      accepting = Rota.spin { server.accept_loop { |ssl| Rota.spin { (ssl << "hello") && ssl.close } } }
      3.times do
        client = connect(port)
        found = +""
        client.feed_loop(found, :<<)
        assert_equal "hello", found
        client.close
      end
      caught(Errno::ECONNRESET) { wrong.read }
      accepting.terminate.await
      assert_nil mute.read(1)
    end
  end

  # They would keep their descriptors for as long as they like.
  def test_accept_loop_closes_whose_handshake_takes_too_long
    with_server do |server|
      mute = keep([TCPSocket.new("127.0.0.1", server.addr[1])]).first
      accepting = Rota.spin { server.accept_loop(handshake_timeout: 0.01) { flunk } }
      assert_nil mute.read(1)
      accepting.terminate.await
      assert_raises(ArgumentError) { server.accept_loop(handshake_timeout: 0) { flunk } }
    end
  end

  def test_accept_loop_closes_whose_handshake_never_begins
    with_server do |server|
      accepting = Rota.spin { server.accept_loop { flunk } }
      client, = keep([TCPSocket.new("127.0.0.1", server.addr[1])])
      Rota.snooze until (handshake = accepting.children.flat_map(&:children).first)
      assert_equal :runnable, handshake.state
      handshake.terminate
      accepting.terminate.join
      assert_nil client.gets
    end
  end

  def test_accept_loop_without_handshake
    with_server do |server|
      server.start_immediately = false
      client = keep([TCPSocket.new("127.0.0.1", server.addr[1])]).first
      connection = server.accept_loop { |ssl| break ssl }
      refute_match(/SSLOK/, connection.state)
      [connection.to_io, client].each(&:close)
    end
  end

  def test_accept_loop_ends_with_its_server
    with_server do |server|
      task = Rota.spin { caught(IOError) { server.accept_loop { flunk } } }
      Rota.sleep(0.002)
      Rota.loop.close(server.to_io)
      assert_kind_of IOError, task.await
    end
  end

  def test_it_is_loaded_in_any_order_without_a_warning
    [%w[rota/openssl], %w[openssl rota/openssl], %w[rota rota/openssl], %w[openssl rota rota/openssl]].each do |names|
      program = names.map { |name| "require #{name.inspect}\n" }.join
      out, errors, = run_ruby("#{program}p OpenSSL::SSL::SSLSocket.method_defined?(:read_loop)")
      assert_equal ["true\n", ""], [out, errors], program
    end
  end

  # Loaded afterwards, OpenSSL is left alone; nobody loads it for the added methods.
  def test_openssl_is_not_loaded_for_it
    out, errors, status = run_ruby(<<~RUBY)
      autoload :OpenSSL, "openssl"
      require "rota"
      p $LOADED_FEATURES.grep(/openssl/).size
      require "rota/openssl"
      p OpenSSL::SSL::SSLSocket.method_defined?(:read_loop), OpenSSL::SSL::SSLServer.method_defined?(:accept_loop)
    RUBY
    assert_predicate status, :success?, errors
    assert_equal "0\ntrue\ntrue\n", out
  end

  private

  def with_server
    Rota.run do
      context = OpenSSL::SSL::SSLContext.new
      context.add_certificate(CERTIFICATE, KEY)
      context.max_version = :TLS1_2 # later ones send tickets, and who closes without reading them resets
      server = OpenSSL::SSL::SSLServer.new(TCPServer.new("127.0.0.1", 0), context)
      yield server
      Rota.snooze
    ensure
      server.close unless server.to_io.closed?
    end
  end

  def with_pair
    with_server do |server|
      accepting = Rota.spin { server.accept_loop { |connection| break connection } }
      client = connect(server.addr[1])
      yield client, ssl = accepting.await
    ensure
      [client, ssl].compact.each { |socket| socket.close unless socket.closed? }
    end
  end

  def connect(port)
    OpenSSL::SSL::SSLSocket.new(TCPSocket.new("127.0.0.1", port)).tap do |client|
      client.sync_close = true
      Rota::SSLMethods.waiting(client) { client.connect_nonblock(exception: false) }
    end
  end
end
