# frozen_string_literal: true

module Rota
  class << self
    # Serves connections: each is a task of its own, a child of the listener's.
    #
    # The listener's task goes on until {Listener#stop}, so +Rota.run { Rota.listen(…) { } }+ serves
    # until it is interrupted. A connection whose block has ended is closed. A block that raises ends
    # its connection and interrupts the task that called this; only what the peer does by leaving
    # (+EPIPE+, +ECONNRESET+) costs just the connection. A switchpoint: it returns when the task has
    # begun.
    #
    # @param address [String, URI, Addrinfo, BasicSocket, Rota::Stream] "host:port", "[v6]:port",
    #   "unix:path", or a listening socket, which stays open; port 0 takes a free one
    # @param backlog [Integer] connections that may wait to be accepted
    # @param reuse_port [Boolean] several processes may listen on this address (SO_REUSEPORT)
    # @yieldparam stream [Rota::Stream]
    # @return [Rota::Listener]
    # @raise [SystemCallError] +Errno::EADDRINUSE+ ...
    def listen(address, backlog: Listener::BACKLOG, reuse_port: false, &handler)
      raise ArgumentError, "no block given" unless handler

      server = Listener.server_of(address) || Listener.bind(Address.parse(address), backlog, reuse_port)
      Listener.new(server, handler, owned: !server.equal?(address))
    end
  end

  # A listening socket and the connections that it has taken. Made by {Rota.listen}.
  class Listener
    BACKLOG = 4096

    # What can pass: no descriptor or memory left now, or the peer was gone before it was accepted.
    EXHAUSTED = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM, NoMemoryError].freeze
    PASSING = [Errno::ECONNABORTED, Errno::EPROTO, Errno::EPERM, Errno::EINTR].freeze
    BACK_OFF = 0.05
    # The peer left; the handler could not help it.
    GONE = [Errno::EPIPE, Errno::ECONNRESET].freeze
    private_constant :EXHAUSTED, :PASSING, :BACK_OFF, :GONE

    # @api private
    # @raise [ArgumentError] a socket that does not listen
    def self.server_of(source)
      return unless source.is_a?(BasicSocket) || source.is_a?(Stream)
      return source if Rota.loop.getsockopt(source, Socket::SOL_SOCKET, Socket::SO_ACCEPTCONN).bool

      raise ArgumentError, "it does not listen: #{source.inspect}"
    end

    # @api private
    def self.bind(address, backlog, reuse_port)
      info = address.resolve_passive
      server = Socket.new(info.afamily, Socket::SOCK_STREAM, 0)
      configure(server, info, reuse_port)
      server.bind(info)
      server.listen(backlog)
      server
    rescue StandardError
      server&.close
      raise
    end

    # Accepted sockets inherit TCP_NODELAY, which spares a system call for each.
    def self.configure(server, info, reuse_port)
      return unless info.ip?

      server.setsockopt(Socket::SOL_SOCKET, Socket::SO_REUSEADDR, 1)
      server.setsockopt(Socket::SOL_SOCKET, Socket::SO_REUSEPORT, 1) if reuse_port
      server.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      server.setsockopt(Socket::IPPROTO_IPV6, Socket::IPV6_V6ONLY, 0) if info.ipv6?
    end
    private_class_method :configure

    # @return [Integer] connections open now
    attr_reader :connections

    # @return [Integer] connections that were taken so far
    attr_reader :accepted

    # @api private
    def initialize(server, handler, owned:)
      @server = server
      @handler = handler
      @serving = proc { |stream| serve(stream) } # one for all: an idle connection is the smaller
      @owned = owned
      @address = Address.parse(server.local_address).to_s
      Rota.shield { @file = file_of(server.local_address) } if owned
      @connections = @accepted = 0
      @unserved = {}.compare_by_identity # connections whose tasks have not begun, and these
      @drained = []
      begin_task
      made = true
    ensure
      give_up unless made
    end

    # @return [String] "host:port", "[v6]:port" or "unix:path", with the port that was taken for 0;
    #   also after the end
    attr_reader :address

    # Waits until the listener has ended.
    #
    # @return [nil]
    def await
      @task.await
      nil
    end

    # Takes no more connections: its socket is closed at once, if it is its own. Those that are open may go
    # on for +graceful+ seconds (nil: as long as they want); then they are terminated. A second call, from
    # another task, may set an earlier end.
    #
    # @param graceful [Numeric, nil]
    # @return [nil]
    def stop(graceful: 0)
      Numbers.require("graceful:", graceful) if graceful
      return if @task.dead?

      @stopped = true
      end_accepting
      close_server # who comes now is refused, or goes to another process with this port
      wait_for_connections(graceful)
      @task.stop
      @task.await unless @task.equal?(Rota.current)
      nil
    end

    # @return [Boolean] does it take no more connections?
    def stopped? = @stopped || @task.dead?

    # @return [String]
    def inspect = "#<Rota::Listener #{stopped? ? 'stopped' : address} connections=#{connections}>"

    private

    # A task that was never entered has no end in which it could close the socket.
    def begin_task
      begun = Event.new
      @task = Rota.spin(:listener) do
        begun.signal
        accept_connections
      end
      teller, = Rota.select(begun, @task)
      raise Error, "the listener's task was ended before it could begin" unless teller.equal?(begun)
    end

    # Nobody else has the socket, or knows of its file.
    def give_up
      Rota.shield { @task.terminate.join } if @task
    ensure
      close_server
    end

    # The file that the address made, wherever the process goes; an abstract name has none.
    def file_of(address)
      return if !address.unix? || address.unix_path.start_with?("\0")

      path = File.expand_path(address.unix_path)
      [path, identity(path)]
    end

    # Not by core's File.lstat, which raises what others raised in the thread, whatever shields the task.
    def identity(path)
      found = Rota.loop.statx(path, follow: false)
      [found.dev, found.ino]
    rescue SystemCallError # nothing is there, or we may not look
      nil
    end

    # The accepting is a task beside the connections, so that it can end before them.
    def accept_connections
      @connections_task = Rota.current
      @accepting = Rota.spin(:accept) { accept_loop }
      Rota.suspend while true # rubocop:disable Style/InfiniteLoop -- Kernel#loop swallows StopIteration
    ensure
      drop_unserved
      end_accepting
      close_server
    end

    # What was asked for, and not yet handed over to the kernel, would meet another file under the number.
    def end_accepting
      Rota.shield do
        @accepting&.terminate
        @accepting&.join
      end
    end

    def accept_loop
      Rota.loop.accept_each(@server) { |stream| start(stream) }
    rescue *PASSING
      retry
    rescue *EXHAUSTED, ResourceError
      Rota.sleep(BACK_OFF)
      retry
    end

    def start(stream)
      @unserved[stream] = @connections_task.__spin_with(stream, @serving)
      @connections += 1
      @accepted += 1
    rescue StandardError, NoMemoryError
      stream.close
      raise
    end

    # Once: when the task is restarted its connection is closed, and was counted.
    def serve(stream)
      fresh = @unserved.delete(stream)
      @handler.call(stream) if fresh
    rescue *GONE
      nil
    ensure
      finish(stream) if fresh
    end

    def finish(stream)
      stream.close
      @connections -= 1
      @drained.each(&:schedule) if @connections.zero?
    end

    # Tasks that have not begun when their parent ends never will.
    def drop_unserved
      @connections -= @unserved.size
      @unserved.each_value(&:terminate)
      @unserved.each_key(&:close)
      @unserved.clear
    end

    def wait_for_connections(graceful)
      return if graceful&.zero? || @connections.zero?
      return wait_until_drained unless graceful

      Rota.move_on_after(graceful) { wait_until_drained }
    end

    def wait_until_drained
      @drained << Rota.current
      Rota.suspend until @connections.zero?
    ensure
      @drained.delete(Rota.current)
    end

    def close_server
      return unless @owned && !@server.closed?

      file = @file
      @file = nil
      Rota.shield { remove_file(*file) } if file
    ensure
      @server.close if @owned
    end

    # A successor may have put its own in the place. As long as the server is open nobody else's has
    # the same number.
    def remove_file(path, known)
      Rota.loop.unlink(path) if known && identity(path) == known
    rescue Errno::ENOENT
      nil
    end
  end
end
