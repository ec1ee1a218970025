# frozen_string_literal: true

require "etc"
require "fileutils"
require "socket"
require "tmpdir"

# A server of the system's packages, in a folder and on a port of its own, from the first test that
# asks for it until the tests end. A subclass says which program that is, and how it is started.
class ServerProcess
  START_SECONDS = 60

  class << self
    # The one that runs; started at the first call.
    def running = @running ||= new.tap { |server| Minitest.after_run { server.stop } }

    # Where the program is, or nil.
    def program = raise(NotImplementedError)

    def find(program, *places)
      folders = ENV.fetch("PATH").split(":") + %w[/usr/sbin /usr/local/sbin]
      (folders + places.flat_map { |place| Dir[place].reverse })
        .map { |folder| File.join(folder, program) }.find { |path| File.executable?(path) }
    end

    # Some refuse to run as root, and are given a user of less power then.
    def user
      return unless Process.uid.zero?

      users = Etc.enum_for(:passwd).map(&:name)
      %w[postgres mysql nobody].find { |name| users.include?(name) }
    end
  end

  attr_reader :port, :folder

  # `wrapper` is a program that is to run it.
  def initialize(wrapper: [])
    @folder = Dir.mktmpdir("rota-server-")
    @port = TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }
    FileUtils.chown_R(self.class.user, nil, @folder) if self.class.user
    prepare
    @pid = spawn(*wrapper, *bounded(command), in: File::NULL, out: log, err: log, pgroup: true)
    wait_until_ready
  rescue StandardError
    stop
    raise
  end

  def stop
    Process.kill(:TERM, @pid) if @pid
    Process.wait(@pid) if @pid
  rescue Errno::ESRCH, Errno::ECHILD
    nil
  ensure
    FileUtils.rm_rf(@folder)
  end

  private

  def prepare; end

  def log = File.join(@folder, "log")

  def listening?
    TCPSocket.open("127.0.0.1", port) { true }
  rescue SystemCallError
    false
  end

  def wait_until_ready
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + START_SECONDS
    until listening?
      raise "no start: #{File.read(log)}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

      sleep 0.02
    end
  end

  # With less power than root, and never longer than the tests, however those end.
  def bounded(command)
    user = self.class.user
    identity = user ? ["--reuid", user, "--regid", user, "--clear-groups"] : []
    ["setpriv", *identity, "--pdeathsig", "TERM", *command]
  end

  def quietly(*command)
    system(*bounded(command), in: File::NULL, out: log, err: log) or raise "#{command.join(' ')}: #{File.read(log)}"
  end
end
