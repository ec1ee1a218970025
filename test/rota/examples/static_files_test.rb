# frozen_string_literal: true

require "fileutils"
require "time"
require "tmpdir"
require_relative "../../test_helper"
require_relative "../../support/example_process"
require_relative "../../support/http_client"

class StaticFilesTest < RotaTest
  include ExampleProcess
  include HTTPClient

  LARGE = Random.new(1).bytes(5_000_000).freeze
  CHANGED = Time.at(1_700_000_000)

  def setup
    super
    @outside = Dir.mktmpdir("rota-static")
    @root = File.join(@outside, "root")
    FileUtils.mkdir_p(File.join(@root, "sub", "empty"))
    { "hello.txt" => "hello, world", "a b.html" => "<p>", "sub/index.html" => "index", "large" => LARGE,
      "nothing.css" => "", ".hidden" => "secret", "../secret.txt" => "secret" }.each do |name, bytes|
      File.binwrite(File.join(@root, name), bytes)
    end
    File.utime(CHANGED, CHANGED, File.join(@root, "hello.txt"))
    File.symlink("../secret.txt", File.join(@root, "link_out"))
    File.symlink("hello.txt", File.join(@root, "link_in.txt"))
    @server = start_example("static_files", @root, LOCAL)
    @socket = open_socket(@server)
  end

  def teardown
    super
    FileUtils.rm_rf(@outside)
  end

  def fetch(path, fields = {}, method: "GET", **options)
    lines = fields.map { |name, value| "#{name}: #{value}\r\n" }.join
    exchange(@socket, "#{method} #{path} HTTP/1.1\r\nHost: test\r\n#{lines}\r\n", **options)
  end

  def test_files
    response = fetch("/hello.txt")
    assert_equal [200, "hello, world", "text/plain"], [response.status, response.body, response["Content-Type"]]
    assert_equal CHANGED, Time.httpdate(response["Last-Modified"])
    assert_equal "bytes", response["Accept-Ranges"]
    assert_equal ["<p>", "text/html"], fetch("/a%20b.html").then { |r| [r.body, r["Content-Type"]] }
    assert_equal "hello, world", fetch("/hello.txt?v=1").body
    assert_equal "hello, world", fetch("/link_in.txt").body
    assert_equal [200, ""], fetch("/nothing.css").then { |r| [r.status, r.body] }
    assert fetch("/large").body == LARGE
  end

  def test_folders
    assert_equal "index", fetch("/sub/").body
    assert_equal [301, "/sub/?a=b"], fetch("/sub?a=b").then { |r| [r.status, r["Location"]] }
    assert_equal [301, "/sub/"], fetch("//sub").then { |r| [r.status, r["Location"]] } # not to another host
    assert_equal [404, 404], [fetch("/sub/empty/").status, fetch("/").status]
  end

  def test_head
    response = fetch("/large", method: "HEAD", bodiless: true)
    assert_equal [200, LARGE.bytesize.to_s], [response.status, response["Content-Length"]]
    assert_equal 200, fetch("/hello.txt", { "Range" => "bytes=0-1" }, method: "HEAD", bodiless: true).status
    assert_equal 404, fetch("/missing", method: "HEAD", bodiless: true).status
    assert_equal "hello, world", fetch("/hello.txt").body
  end

  def test_ranges
    { "bytes=0-4" => %w[hello 0-4], "bytes=7-" => %w[world 7-11], "bytes=-5" => %w[world 7-11],
      "bytes=7-100" => %w[world 7-11], "bytes=-100" => ["hello, world", "0-11"],
      "bytes=11-11" => %w[d 11-11] }.each do |range, (body, place)|
      response = fetch("/hello.txt", { "Range" => range })
      assert_equal [206, body, "bytes #{place}/12"], [response.status, response.body, response["Content-Range"]], range
    end
    response = fetch("/large", { "Range" => "bytes=1000000-4500000" })
    assert response.body == LARGE[1_000_000..4_500_000]
  end

  def test_ranges_that_are_none
    ["bytes=12-", "bytes=100-200", "bytes=-0"].each do |range|
      response = fetch("/hello.txt", { "Range" => range })
      assert_equal [416, "bytes */12"], [response.status, response["Content-Range"]], range
    end
    assert_equal 416, fetch("/nothing.css", { "Range" => "bytes=-5" }).status
    ["bytes=5-1", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=a-b"].each do |range|
      response = fetch("/hello.txt", { "Range" => range })
      assert_equal [200, "hello, world"], [response.status, response.body], range
    end
  end

  def test_a_range_of_another_version
    date = CHANGED.httpdate
    assert_equal 206, fetch("/hello.txt", { "Range" => "bytes=0-1", "If-Range" => date }).status
    assert_equal 200, fetch("/hello.txt", { "Range" => "bytes=0-1", "If-Range" => (CHANGED - 1).httpdate }).status
  end

  def test_only_if_it_is_newer
    { CHANGED => 304, CHANGED + 60 => 304, CHANGED - 1 => 200 }.each do |since, status|
      response = fetch("/hello.txt", { "If-Modified-Since" => since.httpdate }, bodiless: status == 304)
      assert_equal status, response.status
      assert_nil response["Content-Length"] if status == 304
    end
    assert_equal 200, fetch("/hello.txt", { "If-Modified-Since" => "yesterday" }).status
  end

  def test_nothing_outside_of_the_folder
    ["/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/sub/..%2f..%2fsecret.txt", "/link_out",
     "/.hidden", "/%2ehidden", "/hello.txt%00", "/%ff", "/%zz", "/hello.txt/", "/hello.txt/x",
     "/#{'a' * 300}", "/missing", "*"].each do |path|
      response = fetch(path)
      assert_equal 404, response.status, path
      refute_includes response.body, "secret"
    end
  end

  def test_what_is_no_file
    File.mkfifo(File.join(@root, "fifo"))
    UNIXServer.new(File.join(@root, "socket")).close
    assert_equal [404, 404], [fetch("/fifo").status, fetch("/socket").status]
  end

  def test_other_methods
    response = fetch("/hello.txt", { "Content-Length" => 0 }, method: "POST")
    assert_equal [405, "GET, HEAD"], [response.status, response["Allow"]]
  end

  def test_many_slow_readers_at_once
    readers = Array.new(20) { open_socket(@server) }
    readers.each { |socket| socket.write(get("/large")) }
    assert_equal "hello, world", fetch("/hello.txt").body
    readers.each { |socket| assert read_response(socket).body == LARGE }
  end

  # Its length was announced: what comes instead of the rest is the end.
  def test_a_file_that_is_cut_while_it_is_sent
    @socket.setsockopt(:SOCKET, :RCVBUF, 131_072) # a smaller window is drained too slowly
    @socket.write(get("/large"))
    @socket.gets("\r\n\r\n")
    File.truncate(File.join(@root, "large"), 100)
    assert_operator @socket.read.bytesize, :<, LARGE.bytesize
  end
end
