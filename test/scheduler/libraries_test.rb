# frozen_string_literal: true

require "test_helper"
require "logger"
require "net/http"
require "openssl"
require "tempfile"
require "tmpdir"
require "zlib"
require_relative "../support/cooperation"

# What comes with Ruby.
class SchedulerLibrariesTest < RotaTest
  include Cooperation

  # A native thread answers, so that it is the client alone whose waits are at stake.
  def with_http_server(tls: nil)
    TCPServer.open("127.0.0.1", 0) do |server|
      listener = tls ? OpenSSL::SSL::SSLServer.new(server, tls) : server
      thread = Thread.new { answer(listener.accept) }
      yield(server.addr[1]).tap { thread.join }
    end
  end

  def answer(connection)
    line = connection.gets
    nil until connection.gets.chomp.empty?
    sleep(0.02)
    body = "you asked: #{line}" * 1000
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n#{body}")
    connection.close
  end

  as_ruby(:net_http) { with_http_server { |port| Net::HTTP.get(URI("http://localhost:#{port}/path")).size } }
  as_ruby(:net_http_too_late) do
    TCPServer.open("127.0.0.1", 0) do |server|
      Net::HTTP.start("127.0.0.1", server.addr[1], read_timeout: 0.05, max_retries: 0) { |http| http.get("/") }
    rescue Net::ReadTimeout
      :read_timeout
    end
  end
  as_ruby(:https) do
    with_http_server(tls: server_context) do |port|
      http = Net::HTTP.new("127.0.0.1", port)
      http.use_ssl = true
      http.verify_mode = OpenSSL::SSL::VERIFY_NONE
      http.get("/secret").body.size
    end
  end

  def self.certificate
    @certificate ||= begin
      key = OpenSSL::PKey::EC.generate("prime256v1")
      name = OpenSSL::X509::Name.parse("/CN=localhost")
      certificate = OpenSSL::X509::Certificate.new
      certificate.version = 2
      certificate.serial = 1
      certificate.subject = certificate.issuer = name
      certificate.public_key = key
      certificate.not_before = Time.now - 60
      certificate.not_after = Time.now + 3600
      [key, certificate.sign(key, "SHA256")]
    end
  end

  def server_context
    OpenSSL::SSL::SSLContext.new.tap { |c| c.key, c.cert = self.class.certificate }
  end

  # Both ends are tasks: the handshake takes turns.
  cooperates(:openssl_client_and_server) do
    listener = OpenSSL::SSL::SSLServer.new(TCPServer.new("127.0.0.1", 0), server_context)
    Fiber.schedule do
      peer = listener.accept
      peer.puts(peer.gets.upcase) if sleep(0.02)
      peer.write("x" * 500_000)
      peer.close
    end
    client = OpenSSL::SSL::SSLSocket.new(TCPSocket.new("127.0.0.1", listener.to_io.addr[1]))
    client.sync_close = true
    client.connect
    client.puts("over tls")
    assert_equal "OVER TLS\n", client.gets
    assert_equal 500_000, client.read.size
    client.close
    listener.close
  end

  as_ruby(:files, waits: false) do
    Dir.mktmpdir do |folder|
      path = File.join(folder, "file")
      big = "0123456789" * 100_000
      written = File.write(path, big)
      File.open(path, "a") { |f| f << "tail" }
      [written, File.read(path).size, File.size(path), File.foreach(path).first.size, Dir.children(folder),
       File.binread(path, 5, 3), IO.readlines(path).size, File.open(path) { |f| f.seek(-4, :END) and f.read }]
    end
  end
  as_ruby(:pread_and_pwrite, waits: false) do
    Tempfile.create("positions") do |file|
      file.sync = true
      [file.write("hello world"), file.pread(5, 6), file.pwrite("W", 6), file.pread(11, 0), class_of_error {
        file.pread(1, 99)
      }]
    end
  end
  as_ruby(:a_file_that_is_missing, waits: false) { File.read("/nonexistent") }
  as_ruby(:a_directory, waits: false) { class_of_error { File.open("/", &:read) } }
  as_ruby(:a_tempfile, waits: false) { Tempfile.create("t") { |f| f.puts("x") or f.rewind and f.read } }
  as_ruby(:a_logger, waits: false) do
    Tempfile.create("log") do |file|
      logger = Logger.new(file.path)
      logger.formatter = ->(level, _, _, text) { "#{level} #{text}\n" }
      logger.info("one")
      logger.warn("two")
      logger.close
      file.read.lines.drop(1)
    end
  end
  as_ruby(:zlib, waits: false) do
    text = "compress me " * 10_000
    [Zlib.inflate(Zlib.deflate(text)) == text, Zlib.gunzip(Zlib.gzip(text)) == text]
  end
  as_ruby(:zlib_over_a_pipe) do
    IO.pipe do |r, w|
      writer = Thread.new { sleep(0.02) and Zlib::GzipWriter.wrap(w) { |gz| gz << ("line\n" * 20_000) } }
      Zlib::GzipReader.wrap(r) { |gz| gz.each_line.count }.tap { writer.join }
    end
  end

  # Big enough to take some time, in a thread beside the loop.
  if RUBY_VERSION >= "3.4"
    def test_offloaded_work
      text = Random.bytes(1_000_000) * 10
      size, ticks = Rota.run(offload: true) { counting_ticks { Zlib.inflate(Zlib.deflate(text)).size } }
      assert_equal text.size, size
      assert_operator ticks, :>, 0
    end

    def test_offloaded_work_of_an_interrupted_task
      text = Random.bytes(1_000_000) * 10
      Rota.run(offload: true) do
        task = Rota.spin { Zlib.deflate(text) }
        sleep(0.002)
        task.terminate
        begin
          task.await
        rescue Zlib::DataError # what Zlib's own clean-up says of a stream that was not finished
          nil
        end
        GC.start
      end
    end
  end

  if RUBY_VERSION >= "3.3"
    def test_a_ractor_beside_tasks
      out, err, status = run_ruby(<<~RUBY)
        Warning[:experimental] = false
        require "rota"
        Rota.run do
          ractor = Ractor.new { Ractor.receive }
          Rota.spin { 3.times { sleep(0.002) } and ractor.send(7) }
          print Thread.new { ractor.respond_to?(:value) ? ractor.value : ractor.take }.value
        end
      RUBY
      assert_equal ["7", "", true], [out, err, status.success?]
    end
  end
end
