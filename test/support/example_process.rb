# frozen_string_literal: true

require "rbconfig"
require "socket"
require "tempfile"

# For tests of the programs in examples/: each runs as a process of its own, on a port that the
# system picks, and is used with plain sockets. A test that passes has also shown that its programs
# end well at Ctrl-C and have complained about nothing.
module ExampleProcess
  FOLDER = File.expand_path("../../examples", __dir__)
  LOCAL = "127.0.0.1:0"

  # A running program.
  class Running
    GRACE = 10

    attr_reader :host, :port, :pid

    def initialize(env, command)
      @errors = Tempfile.create("err")
      @output, write_end = IO.pipe
      @pid = Process.spawn(env, *command, in: File::NULL, out: write_end, err: @errors, pgroup: true)
      write_end.close
      @host, _, @port = wait_for_address.rpartition(":")
    end

    def address = "#{@host}:#{@port}"

    # Ends it as Ctrl-C does. => [Process::Status, what it said, what it complained about]
    def interrupt
      Process.kill(:INT, @pid)
      status = wait
      [status, @output.read, File.read(@errors.path)]
    ensure
      @output.close
      @errors.close
      File.unlink(@errors.path)
    end

    def alive? = Process.wait(@pid, Process::WNOHANG).nil?

    private

    def wait_for_address
      while (line = @output.gets)
        address = line[/\Alistening on (\S+)/, 1]
        return address if address
      end
      raise "it did not start: #{File.read(@errors.path)}"
    end

    # nil when it had to be killed
    def wait
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + (GRACE * Watchdog::SCALE)
      until Process.wait(@pid, Process::WNOHANG)
        return kill if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

        sleep 0.005
      end
      $?
    end

    def kill
      Process.kill(:KILL, -@pid)
      Process.wait(@pid)
      nil
    end
  end

  # Without the test's own connections a graceful end has nobody to wait for.
  def teardown
    super
    close_sockets
    @examples&.each { |example| assert_ends_well(example) }
  end

  private

  # name: without folder and extension
  def start_example(name, *args) = start_program(File.join(FOLDER, "#{name}.rb"), *args)

  # => Running, once it listens
  def start_program(path, *args)
    (@examples ||= []).push(Running.new(child_env({}), [*ruby_command, path, *args])).last
  end

  # Ruby 4.0 says of its own buffers, which every scheduler is given, that they are experimental.
  def ruby_command
    [RbConfig.ruby, "-w", "-W:no-experimental", *ChildProcess::LOAD_PATH.map { |folder| "-I#{folder}" }]
  end

  def assert_ends_well(example)
    status, said, complaints = example.interrupt
    assert status, "it did not end at Ctrl-C"
    assert_predicate status, :success?, complaints
    assert_match(/^stopped$/, said)
    assert_empty complaints unless @complaints_expected
  end

  def open_socket(example)
    socket = TCPSocket.new(example.host, example.port)
    socket.setsockopt(:TCP, :NODELAY, true)
    keep([socket]).first
  end

  def installed?(command)
    ENV.fetch("PATH").split(":").any? { |folder| File.executable?(File.join(folder, command)) }
  end

  # Closes with a reset instead of an end: what the peer sees when a machine goes away.
  def reset(socket)
    socket.setsockopt(Socket::Option.linger(true, 0))
    socket.close
  end
end
