# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"
require_relative "../../support/http_client"

# What a client may do to its own connection, and to no other: every test ends with a look at one
# that was open before and had nothing to do with it.
class HTTPServerAbuseTest < RotaTest
  include ExampleProcess
  include HTTPClient

  REFUSED = {
    400 => [
      "rubbish\r\n",
      "\xff\xfe\x00\x01\r\n",
      "GET /\r\n",
      "GET / HTTP/1.1 \r\nHost: test\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: test\r\n\r\n",
      "GET /\xc3\xa4 HTTP/1.1\r\nHost: test\r\n\r\n",
      "GET / http/1.1\r\nHost: test\r\n\r\n",
      "G(T / HTTP/1.1\r\nHost: test\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", # a TLS client
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: test\r\nno colon\r\n",
      "GET / HTTP/1.1\r\nHost: test\r\nspace : before\r\n",
      "GET / HTTP/1.1\r\nHost: test\r\n folded: line\r\n",
      "GET / HTTP/1.1\r\nHost: test\r\n: nameless\r\n",
      "GET / HTTP/1.1\r\nHost: test\r\nNull: a\0b\r\n",
      "GET / HTTP/1.1\r\nHost: test\r\nCarriage: a\rb\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1, 1\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 0x10\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n"
    ],
    413 => [
      "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10001\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 999999999999\r\nExpect: 100-continue\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 60000\r\n\r\n#{"x" * 60_000}",
      "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n"
    ],
    414 => ["GET /#{"x" * 9000} HTTP/1.1\r\nHost: test\r\n\r\n"],
    417 => ["POST /echo HTTP/1.1\r\nHost: test\r\nExpect: the unexpected\r\n"],
    431 => [
      "GET / HTTP/1.1\r\nHost: test\r\nLong: #{"x" * 2000}\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: test\r\n#{"Some: field\r\n" * 95}\r\n",
      "GET / HTTP/1.1\r\nHost: test\r\n#{"A:\r\n" * 150}\r\n"
    ],
    501 => ["POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip, chunked\r\n"],
    505 => ["GET / HTTP/2.0\r\n"]
  }.freeze

  def setup
    super
    @server = start_example("http_server", LOCAL, "--request", "0.5", "--idle", "30",
                            "--max-body", "10000", "--max-head", "1000")
    @bystander = open_socket(@server)
    assert_hello exchange(@bystander, get)
  end

  def teardown
    assert_hello exchange(@bystander, get)
    super
  end

  REFUSED.each do |status, requests|
    define_method("test_refused_with_#{status}") do
      requests.each { |request| assert_refused(status, open_socket(@server), request.b) }
    end
  end

  def test_half_a_request_and_the_end
    ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: te", post("12345678")[0..-4]].each do |part|
      socket = open_socket(@server)
      socket.write(part)
      socket.close_write
      assert_equal 400, read_response(socket).status
      assert_closed socket
    end
  end

  def test_half_a_request_and_gone
    50.times do |number|
      socket = open_socket(@server)
      socket.write(post("x" * 100)[0, number * 3])
      socket.close
    end
  end

  def test_a_reset_in_the_middle
    50.times do |number|
      socket = open_socket(@server)
      socket.write(number.odd? ? post("x" * 100)[0, number * 3] : get("/size/10000000"))
      sleep 0.002 if (number % 5).zero?
      reset(socket)
    end
  end

  def test_garbage
    random = Random.new(42)
    200.times do
      socket = open_socket(@server)
      socket.write(random.bytes(random.rand(1..3000)))
      socket.close_write
      socket.read
    rescue Errno::ECONNRESET, Errno::EPIPE
      next
    end
  end

  # Requests that were valid before something happened to a few of their bytes.
  def test_damaged_requests
    random = Random.new(43)
    200.times do
      request = "#{get}#{post("some body")}".b
      3.times { request.setbyte(random.rand(request.bytesize), random.rand(256)) }
      socket = open_socket(@server)
      socket.write(request)
      socket.close_write
      assert_match(%r{\A(HTTP/1\.1 \d{3} |\z)}, socket.read)
    rescue Errno::ECONNRESET, Errno::EPIPE
      next
    end
  end

  def test_somebody_who_stops_in_the_middle_is_told_so
    ["G", "GET / HTTP/1.1\r\nHost: test\r\n", post("12345678")[0..-4]].each do |part|
      assert_refused(408, open_socket(@server), part)
    end
  end

  def test_somebody_who_drips_is_not_spared
    socket = open_socket(@server)
    dripper = Thread.new do
      loop do
        socket.write("x")
        sleep 0.05
      end
    rescue SystemCallError, IOError
      nil
    end
    assert_equal 408, read_response(socket).status
    dripper.kill.join
  end

  def test_somebody_who_says_nothing_is_closed_without_a_word
    server = start_example("http_server", LOCAL, "--idle", "0.2")
    silent = open_socket(server)
    used = open_socket(server)
    assert_hello exchange(used, get)
    [silent, used].each { |socket| assert_equal "", socket.read }
  end

  def test_somebody_who_does_not_read
    socket = open_socket(@server)
    socket.write(get("/size/900000000"))
    assert_hello exchange(@bystander, get)
    sleep 1
    assert_operator socket.read.bytesize, :<, 900_000_000
  rescue Errno::ECONNRESET
    pass
  end

  def test_somebody_who_reads_slowly_gets_everything
    socket = open_socket(@server)
    socket.write(get("/size/20000000"))
    head = socket.gets("\r\n\r\n")
    assert_match(/^Content-Length: 20000000\r$/, head)
    rest = 20_000_000
    until rest.zero?
      rest -= socket.readpartial([rest, 1_000_000].min).bytesize
      sleep 0.02
    end
    assert_hello exchange(socket, get)
  end

  def test_no_descriptor_stays
    before = Dir.children("/proc/#{@server.pid}/fd").size
    100.times { |number| open_socket(@server).then { |socket| number.odd? ? reset(socket) : socket.close } }
    assert_hello exchange(@bystander, get)
    50.times do
      break if Dir.children("/proc/#{@server.pid}/fd").size <= before

      sleep 0.02
    end
    assert_operator Dir.children("/proc/#{@server.pid}/fd").size, :<=, before
  end
end
