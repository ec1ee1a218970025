# frozen_string_literal: true

# Holds many idle connections in one process and says what each of them costs in memory.
#
#   ruby -Ilib examples/idle_connections.rb [connections]      (default 10000)
#
# A second process opens the connections, sends one message over each and waits for its echo, so
# that every connection has lived before it is idle. Then the memory of the server is compared with
# what it was before the first one.

require "rbconfig"
require "rota"

# Memory in bytes, as /proc tells it.
module Memory
  module_function

  # What this process keeps resident.
  def resident = kibibytes("/proc/self/status", "VmRSS")

  # What the kernel itself uses for its objects, sockets among them, nil where it does not say.
  def kernel = kibibytes("/proc/meminfo", "Slab")

  def kibibytes(path, label)
    File.foreach(path) { |line| return line[/\d+/].to_i * 1024 if line.start_with?("#{label}:") }
    nil
  end
end

# The server side: an echo server that knows how many messages it has answered.
class IdleServer
  attr_reader :answered

  def initialize
    @answered = 0
  end

  def serve(stream)
    while (line = stream.gets)
      stream << line
      @answered += 1
    end
  rescue SystemCallError
    # The other process has gone, and took all connections with it.
  end
end

# The other side, in its own process: opens the connections one after another and keeps them.
class IdleClient
  MESSAGE = "a message to wake up this connection and all that belongs to it\n"

  def initialize(address, count)
    @address = address
    @count = count
  end

  def run
    Rota.run do
      @streams = Array.new(@count) { open }
      Rota.sleep
    end
  end

  private

  def open
    stream = Rota.connect(@address)
    stream << MESSAGE
    raise "not what was sent" unless stream.gets == MESSAGE

    stream
  end
end

# Puts both together and measures.
class IdleConnections
  ADDRESS = "127.0.0.1:0"
  SPARE_DESCRIPTORS = 100
  SETTLE = 0.5

  def initialize(wanted)
    @count = affordable(wanted)
    @server = IdleServer.new
  end

  def run
    Rota.run do
      listener = Rota.listen(ADDRESS) { |stream| @server.serve(stream) }
      before = measure
      client = start_client(listener.address)
      wait_for_all(client)
      report(before, measure, listener.connections)
    ensure
      listener&.stop
      stop(client) if client
    end
  end

  private

  # As many as the limit on open files allows, once it is as high as we may set it.
  def affordable(wanted)
    _soft, hard = Process.getrlimit(:NOFILE)
    Process.setrlimit(:NOFILE, hard)
    count = [wanted, hard - SPARE_DESCRIPTORS].min
    warn "only #{count} connections: the limit on open files is #{hard}" if count < wanted
    count
  end

  def start_client(address)
    library = $LOAD_PATH.map { |path| "-I#{path}" }
    Process.spawn(RbConfig.ruby, *library, __FILE__, "--client", address, @count.to_s)
  end

  def wait_for_all(client)
    until @server.answered == @count
      Rota.sleep(0.1)
      raise "the client has ended early" if Process.wait(client, Process::WNOHANG)

      print "\r#{@server.answered} connections" if $stdout.tty?
    end
    print "\r\e[K" if $stdout.tty?
  end

  # After a moment of rest, and without what only waits to be collected.
  def measure
    Rota.sleep(SETTLE)
    GC.start
    [Memory.resident, Memory.kernel]
  end

  def report(before, after, open)
    resident, kernel = before.zip(after).map { |old, new| (new - old) / @count.to_f if old && new }
    puts "connections          #{open}, each after one message and its echo"
    puts "process, each        #{format("%.1f KiB", resident / 1024)} (resident, #{after.first / 1_048_576} MiB in all)"
    puts "kernel, each         #{format("%.1f KiB", kernel / 1024)} (slab, both ends of the connection)" if kernel
  end

  def stop(client)
    Process.kill(:KILL, client)
    Process.wait(client)
  rescue SystemCallError
    # It has ended before.
  end
end

if ARGV.first == "--client"
  IdleClient.new(ARGV[1], Integer(ARGV[2])).run
else
  IdleConnections.new(Integer(ARGV.fetch(0, "10000"))).run
end
