# frozen_string_literal: true

require_relative "_get"

# The least that the gem itself takes: nobody waits for one answer, nothing is switched. All of the gem runs
# once for a query; only its request has been on the way since the wave began.
class RedisInWaves < Bench::SequentialContender
  include Gets

  # What a connection of the gem needs for it.
  module AskedAhead
    COMMAND = %w[GET key].freeze

    def ask
      RedisClient::RubyConnection.instance_method(:write).bind_call(self, COMMAND)
      @asked = true
    end

    def write(command)
      @asked ? @asked = false : super
    end
  end

  label "redis, in waves"
  about "one thread that asks on all connections, and then takes all answers: no scheduler, no fibers"

  private

  def prepare(stint)
    opened = []
    driver = Class.new(RedisClient::RubyConnection) do
      prepend AskedAhead
      define_method(:initialize) { |*arguments, **options| super(*arguments, **options).tap { opened << self } }
    end
    @clients = Array.new(stint[:clients]) { connect(stint, driver: driver) }
    @connections = opened
  end

  def bounce(stint)
    @connections.each(&:ask)
    stint.counts[0] += @clients.map { |redis| ask(redis) }.count(VALUE)
  end
end
