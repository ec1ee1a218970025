# frozen_string_literal: true

require "io/console"
require "pty"
require "socket"
require_relative "engines"

# What bytes can travel over. Each gives two ends of Ruby's own, [reader, writer].
module Transports
  # socket: is there close_write, recv and send_bytes?
  Transport = Struct.new(:name, :socket, :open) do
    def ends = open.call

    # => [reader, writer] as streams, which own the descriptors from now on
    def streams = ends.map { |io| Transports.stream(io) }
  end

  module_function

  # Hands the descriptor of one of Ruby's own objects over to a stream.
  def stream(io)
    io.autoclose = false
    Rota::Stream.for_fd(io.fileno)
  end

  # => two connected streams
  def ends_of_streams = UNIXSocket.pair.map { |socket| stream(socket) }

  # Writes the bytes in pieces, mostly small ones, with pauses between them; then closes the stream.
  def feed(stream, bytes, random)
    at = 0
    while at < bytes.bytesize
      size = random.rand < 0.8 ? random.rand(1..300) : random.rand(1..20_000)
      stream.write(bytes.byteslice(at, size))
      at += size
      random.rand < 0.2 ? Rota.sleep(random.rand(0.0003)) : Rota.snooze
    end
    stream.close
  end

  def tcp(host)
    listener = TCPServer.new(host, 0)
    writer = TCPSocket.new(host, listener.addr[1])
    [listener.accept, writer]
  ensure
    listener&.close
  end

  # The slave reads, because a master's read fails with EIO where others end. Without the terminal's
  # line editing: bytes are bytes.
  def terminal
    master, slave = PTY.open
    slave.raw!
    [slave, master]
  end

  def ipv6?
    TCPServer.new("::1", 0).close
    true
  rescue SystemCallError
    false
  end

  ALL = [
    Transport.new(:pipe, false, -> { IO.pipe }),
    Transport.new(:unix, true, -> { UNIXSocket.pair }),
    Transport.new(:tcp4, true, -> { tcp("127.0.0.1") }),
    (Transport.new(:tcp6, true, -> { tcp("::1") }) if ipv6?)
  ].compact.freeze

  # Options of Rota.run under which nothing may change: limits as small as they get, and kernels
  # that lack this or that.
  ROWS = {
    default: {},
    ring_of_two: { entries: 2 },
    two_buffers: { buffers: 2 },
    two_small_buffers: { buffers: 2, buffer_size: 64, without: [:incremental_buffers] },
    without_incremental_buffers: { without: [:incremental_buffers] },
    without_multishot_recv: { without: [:multishot_recv] },
    without_multishot_accept: { without: [:multishot_accept] },
    without_provided_buffers: { without: [:provided_buffers] },
    without_registered_files: { without: [:registered_files] },
    without_defer_taskrun: { without: [:defer_taskrun] },
    with_nothing: { entries: 2, without: %i[incremental_buffers multishot_recv multishot_accept provided_buffers
                                            registered_files defer_taskrun zero_copy_send] }
  }.freeze

  # Rows in which nothing is done without that only the ring has.
  ROWS_OF_EPOLL = %i[default two_buffers two_small_buffers without_incremental_buffers
                     without_provided_buffers].freeze

  def rows_for(engine, rows) = engine == :epoll ? rows.slice(*ROWS_OF_EPOLL) : rows

  # For each transport, engine and row: the name of a test class, the transport, Rota.run's options.
  def each_case(transports = ALL, rows = ROWS)
    Engines::ALL.each do |engine|
      rows_for(engine, rows).to_a.product(transports).each do |(row, options), transport|
        yield [transport.name, row, engine].map { |word| word.to_s.split("_").map(&:capitalize).join }.join,
              transport, { engine: engine, **options }
      end
    end
  end
end
