# frozen_string_literal: true

require_relative "../scheduler_http/_clients"

module Gets
  VALUE = ("0123456789abcdef" * 4).freeze

  def self.included(contender)
    contender.needs Bench::Need.gem("redis")
  end

  def set_up
    super
    require "redis"
  end

  private

  def connect(stint, **options)
    Redis.new(host: "127.0.0.1", port: stint[:port], **options).tap { |redis| redis.set("key", VALUE) }
  end

  def ask(redis) = redis.get("key")
end
