# frozen_string_literal: true

require "time"
require_relative "../../test_helper"
require_relative "../../support/example_process"
require_relative "../../support/http_client"

# What a well-behaved client may expect.
class HTTPServerTest < RotaTest
  include ExampleProcess
  include HTTPClient

  def setup
    super
    @server = start_example("http_server", LOCAL)
    @socket = open_socket(@server)
  end

  def test_keep_alive
    3.times { assert_hello exchange(@socket, get) }
    response = exchange(@socket, get("/missing"))
    assert_equal 404, response.status
    assert_nil response["Connection"]
    assert_hello exchange(@socket, get)
  end

  def test_every_response_has_a_date
    date = Time.httpdate(exchange(@socket, get)["Date"])
    assert_in_delta Time.now, date, 5
  end

  def test_pipelining_twenty_requests_in_one_write
    requests = Array.new(20) { |number| number.odd? ? post("body #{number}") : get("/size/#{number}") }
    @socket.write(requests.join)
    bodies = Array.new(20) { read_response(@socket).body }
    bodies.each_with_index do |body, number|
      number.odd? ? assert_equal("body #{number}", body) : assert_equal(number, body.bytesize)
    end
  end

  def test_an_error_in_the_middle_of_pipelining_ends_it_after_the_answers_before
    @socket.write("#{get}#{get}rubbish\r\n#{get}")
    2.times { assert_hello read_response(@socket) }
    assert_equal 400, read_response(@socket).status
    assert_closed @socket
  end

  def test_bodies_of_all_sizes
    [0, 1, 1000, 65_536, 1_000_000].each do |size|
      body = Random.new(size).bytes(size)
      response = exchange(@socket, post(body))
      assert_equal 200, response.status
      assert_equal body, response.body
    end
  end

  def test_byte_by_byte
    "#{post("slow")}#{get}".each_char { |byte| @socket.write(byte) }
    assert_equal "slow", read_response(@socket).body
    assert_hello read_response(@socket)
  end

  def test_large_responses
    [1, 65_535, 65_536, 65_537, 5_000_000].each do |size|
      body = exchange(@socket, get("/size/#{size}")).body
      assert_equal ("0123456789abcdef" * (size / 16 + 1))[0, size], body
    end
  end

  def test_head_has_the_length_and_not_the_body
    response = exchange(@socket, "HEAD /size/100 HTTP/1.1\r\nHost: test\r\n\r\n", bodiless: true)
    assert_equal [200, "100"], [response.status, response["Content-Length"]]
    assert_hello exchange(@socket, get)
  end

  def test_wrong_methods
    response = exchange(@socket, post("x", "/"))
    assert_equal [405, "GET, HEAD"], [response.status, response["Allow"]]
    response = exchange(@socket, get("/echo"))
    assert_equal [405, "POST"], [response.status, response["Allow"]]
    assert_hello exchange(@socket, get)
  end

  def test_connection_close
    response = exchange(@socket, "GET / HTTP/1.1\r\nHost: test\r\nConnection: foo, Close\r\n\r\n")
    assert_hello response
    assert_equal "close", response["Connection"]
    assert_closed @socket
  end

  def test_http_1_0_closes
    response = exchange(@socket, "GET / HTTP/1.0\r\n\r\n")
    assert_hello response
    assert_equal "close", response["Connection"]
    assert_closed @socket
  end

  def test_http_1_0_stays_when_asked
    2.times do
      response = exchange(@socket, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
      assert_hello response
      assert_equal "keep-alive", response["Connection"]
    end
  end

  def test_bare_line_feeds_and_an_empty_line_before
    assert_hello exchange(@socket, "\r\nGET / HTTP/1.1\nHost: test\n\n")
  end

  def test_chunked_body
    head = "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = exchange(@socket, "#{head}5\r\nhello\r\nA;note=1\r\n, 10 bytes\r\n0\r\nTrailer: x\r\n\r\n")
    assert_equal "hello, 10 bytes", response.body
    assert_hello exchange(@socket, get)
  end

  def test_expect_continue
    head = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    assert_equal 100, exchange(@socket, head).status
    assert_equal "body", exchange(@socket, "body").body
  end

  def test_a_client_that_sent_its_last_request_still_gets_the_response
    @socket.write(get)
    @socket.close_write
    assert_hello read_response(@socket)
    assert_closed @socket
  end

  def test_curl
    skip "curl is not installed" unless installed?("curl")
    assert_equal "Hello from Rota\n" * 2, curl("/", "/")
    assert_equal "some text", curl("/echo", options: ["--data", "some text"])
    body = "0123456789" * 10_000
    [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["--http1.0"]].each do |options|
      assert_equal body, curl("/echo", options: ["--data-binary", "@-", *options], input: body)
    end
  end

  # => what it printed
  def curl(*paths, options: [], input: "")
    urls = paths.map { |path| "http://#{@server.address}#{path}" }
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "20", "--noproxy", "*"]
    IO.popen([{ "LD_PRELOAD" => nil }, *command, *options, *urls], "r+") do |io| # a sanitizer is not for curl
      io.write(input)
      io.close_write
      io.read
    end
  end
end
