# frozen_string_literal: true

# Reads HTTP responses from a plain socket, strictly: what is not a response fails the test.
module HTTPClient
  Response = Struct.new(:version, :status, :fields, :body) do
    def [](name) = fields[name.downcase]
  end

  private

  # bodiless: for the response to HEAD, which announces a body that does not come
  def read_response(socket, bodiless: false)
    head = socket.gets("\r\n\r\n") or flunk "closed instead of a response"
    match = %r{\AHTTP/(1\.\d) (\d{3}) [^\r\n]+\r\n((?:[\w-]+: [^\r\n]*\r\n)*)\r\n\z}.match(head)
    flunk "not a response: #{head.inspect}" unless match
    fields = match[3].lines.to_h { |line| line.chomp.split(": ", 2) }.transform_keys(&:downcase)
    body = bodiless || match[2] == "100" ? "" : socket.read(Integer(fields.fetch("content-length")))
    Response.new(match[1], Integer(match[2]), fields, body)
  end

  # Sends one request as it stands and reads the response.
  def exchange(socket, request, **options)
    socket.write(request)
    read_response(socket, **options)
  end

  def get(path = "/") = "GET #{path} HTTP/1.1\r\nHost: test\r\n\r\n"

  def post(body, path = "/echo")
    "POST #{path} HTTP/1.1\r\nHost: test\r\nContent-Length: #{body.bytesize}\r\n\r\n#{body}"
  end

  def assert_hello(response)
    assert_equal [200, "Hello from Rota\n"], [response.status, response.body]
  end

  def assert_closed(socket)
    assert_equal "", socket.read
  rescue Errno::ECONNRESET
    pass
  end

  # A refusal: the status, word that the connection ends, and the end itself.
  def assert_refused(status, socket, request)
    response = exchange(socket, request)
    assert_equal status, response.status, request[0, 200].inspect
    assert_equal "close", response["Connection"]
    assert_closed socket
  end
end
