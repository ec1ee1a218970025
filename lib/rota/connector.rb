# frozen_string_literal: true

module Rota
  class << self
    # Connects to an address. A name is looked up without blocking the loop, and its addresses are
    # raced: the next one is tried when one fails or takes longer than 250 ms, IPv6 and IPv4 by turns
    # (Happy Eyeballs, RFC 8305).
    #
    # @param address [String, URI, Addrinfo] "host:port", "[v6]:port" or "unix:path"
    # @param timeout [Numeric, nil] seconds for all of it
    # @yieldparam stream [Rota::Stream] is closed when the block ends
    # @return [Rota::Stream] with TCP_NODELAY; with a block, what that returned
    # @raise [SystemCallError] of the last address that failed, +Errno::ECONNREFUSED+ for instance
    # @raise [SocketError] unknown name
    # @raise [Rota::TimeoutError]
    def connect(address, timeout: nil, &block)
      connector = Connector.new(Address.parse(address))
      lend(timeout ? cancel_after(timeout) { connector.connect } : connector.connect, &block)
    end
  end

  # One call of {Rota.connect}.
  #
  # @api private
  class Connector
    # RFC 8305, section 5: the recommended delay between attempts.
    ATTEMPT_DELAY = 0.25

    # @return [Array<Addrinfo>] address families by turns, the first one's first (RFC 8305, section 4)
    def self.interleave(infos)
      first, second = infos.partition { |info| info.afamily == infos.first.afamily }
      first.zip(second).flatten.compact + (second[first.size..] || [])
    end

    def initialize(address)
      @address = address
    end

    def connect
      infos = @address.resolve
      return attempt(infos.first) if infos.size == 1

      race(self.class.interleave(infos))
    end

    private

    def attempt(info)
      stream = Rota.loop.socket(info.afamily, Socket::SOCK_STREAM)
      connect_to(stream, info)
      stream.no_delay if info.ip?
      stream
    rescue Exception
      stream&.close
      raise
    end

    def connect_to(stream, info)
      Rota.loop.connect(stream, info)
    rescue SystemCallError => e
      raise SystemCallError.new("connect to #{info.inspect_sockaddr}", e.errno)
    end

    # The attempts are tasks; the first that has a stream wins, and the others are terminated.
    def race(infos)
      racer = Rota.current
      @streams = []
      @errors = []
      tasks = []
      infos.each do |info|
        tasks << Rota.spin { try(info, racer) }
        pause
        break unless @streams.empty?
      end
      Rota.suspend while @streams.empty? && @errors.size < infos.size
      winner = @streams.shift || raise(@errors.last)
    ensure
      settle(tasks || [], winner)
    end

    # Until the delay has passed, or one more attempt ended.
    def pause
      failed = @errors.size
      Rota.move_on_after(ATTEMPT_DELAY) do
        Rota.suspend while @streams.empty? && @errors.size == failed
      end
    end

    def try(info, racer)
      @streams << attempt(info)
    rescue StandardError, NoMemoryError => e
      @errors << e
    ensure
      racer.schedule
    end

    # A second winner is closed, a late one too. What interrupted meanwhile, or in the very turn of the
    # victory, comes behind the shield: then the first winner is nobody's either.
    def settle(tasks, winner)
      Rota.shield do
        tasks.each(&:terminate).each(&:await)
        @streams&.each(&:close)
      end
      settled = true
    ensure
      winner&.close unless settled
    end
  end
end
