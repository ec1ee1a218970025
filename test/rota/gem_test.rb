# frozen_string_literal: true

require_relative "../test_helper"
require "rbconfig"
require "tmpdir"

# What a user does first: install the gem, paste the server from the README, talk to it.
class GemTest < RotaTest
  time_limit 300

  ROOT = File.expand_path("../..", __dir__)
  # It would look for a Gemfile, and for the gems that are in it.
  WITHOUT_BUNDLER = %w[RUBYLIB RUBYOPT BUNDLE_GEMFILE BUNDLER_SETUP].to_h { |name| [name, nil] }.freeze

  def test_the_readme_server_on_the_installed_gem
    skip "no working copy here" unless File.file?(File.join(ROOT, "rota.gemspec"))
    Dir.mktmpdir do |home|
      install_gem(home)
      serve(readme_server, home) { |port| assert_equal "you said: hello\n", ask(port, "hello\n") }
    end
  end

  private

  def install_gem(home)
    package = File.join(home, "rota.gem")
    run!(WITHOUT_BUNDLER, "build", "rota.gemspec", "--output", package)
    run!(environment(home), "install", "--local", "--no-document", package)
  end

  def run!(env, *arguments)
    output = IO.popen([env, RbConfig.ruby, "-S", "gem", *arguments, { chdir: ROOT, err: %i[child out] }], &:read)
    assert_predicate $?, :success?, output
  end

  def environment(home) = WITHOUT_BUNDLER.merge("GEM_HOME" => home, "GEM_PATH" => home)

  def readme_server
    File.read(File.join(ROOT, "README.md"))[/^```ruby\n(require "rota".*?Rota\.listen.*?)^```/m, 1]
  end

  def serve(program, home)
    port = Addrinfo.tcp("127.0.0.1", 0).bind { |socket| socket.local_address.ip_port }
    program = program.sub("127.0.0.1:1234", "127.0.0.1:#{port}")
    pid = Process.spawn(environment(home), RbConfig.ruby, "-e", program, chdir: home, err: File::NULL)
    yield port
  ensure
    Process.kill(:INT, pid)
    Process.wait(pid)
  end

  def ask(port, line)
    socket = nil
    socket = try_to_connect(port) until socket
    socket.write(line)
    socket.gets
  ensure
    socket&.close
  end

  def try_to_connect(port)
    TCPSocket.new("127.0.0.1", port)
  rescue Errno::ECONNREFUSED
    sleep 0.05
    nil
  end
end
