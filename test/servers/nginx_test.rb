# frozen_string_literal: true

require "test_helper"
require "net/http"
require "set" # httpx takes it for granted
require_relative "../support/server_tests"

class NginxTest < ServerTest
  SIZE = 400_000 # what comes at two megabytes a second

  class Nginx < ServerProcess
    def self.program = find("nginx")

    private

    def prepare
      File.write(File.join(folder, "big"), "0123456789" * (SIZE / 10))
      File.write(File.join(folder, "nginx.conf"), <<~CONF)
        daemon off; worker_processes 1; pid #{folder}/pid; error_log stderr;
        events { worker_connections 1024; }
        http {
          access_log off;
          client_body_temp_path #{folder}/a; proxy_temp_path #{folder}/b; fastcgi_temp_path #{folder}/c;
          uwsgi_temp_path #{folder}/d; scgi_temp_path #{folder}/e;
          server {
            listen 127.0.0.1:#{port};
            location /big { root #{folder}; limit_rate 2m; }
            location / { return 200 "you asked for $request_uri"; }
          }
        }
      CONF
    end

    def command = [self.class.program, "-p", folder, "-c", File.join(folder, "nginx.conf"), "-e", "stderr"]
  end

  def assert_answers(bodies)
    assert_equal Array.new(TASKS) { |i| ["you asked for /task/#{i}", SIZE] }, bodies
  end

  def test_net_http
    server = need(Nginx)
    assert_answers(at_once do |i|
      Net::HTTP.start("127.0.0.1", server.port) do |http|
        [http.get("/task/#{i}").body, http.get("/big").body.size]
      end
    end)
  end

  def test_httpx
    server = need(Nginx, "httpx")
    assert_answers(at_once do |i|
      small, big = %W[task/#{i} big].map { |path| HTTPX.get("http://127.0.0.1:#{server.port}/#{path}") }
      [small.to_s, big.to_s.size].tap { [small, big].each(&:close) }
    end)
  end

  def test_faraday
    server = need(Nginx, "faraday")
    assert_answers(at_once do |i|
      connection = Faraday.new(url: "http://127.0.0.1:#{server.port}")
      [connection.get("/task/#{i}").body, connection.get("/big").body.size]
    end)
  end
end
