# frozen_string_literal: true

require "test_helper"
require_relative "../support/server_tests"
require_relative "../support/servers/redis"

class RedisTest < ServerTest
  def connect(path: nil)
    server = need(RedisServer, "redis")
    FileUtils.chmod(0o755, server.folder)
    path ? Redis.new(path: "#{server.folder}/socket") : Redis.new(host: "127.0.0.1", port: server.port)
  end

  [false, true].each do |unix|
    define_method(:"test_redis_over_#{unix ? 'unix' : 'tcp'}") do
      connect(path: unix).close
      values = at_once do |i|
        redis = connect(path: unix)
        redis.set("key #{i}", "value #{i}")
        popped = redis.blpop("list #{i}", timeout: WAIT)
        [redis.get("key #{i}"), popped].tap { redis.close }
      end
      assert_equal Array.new(TASKS) { |i| ["value #{i}", nil] }, values
    end
  end

  def test_publishing_and_a_pipeline
    connect.close
    heard = Rota.run do
      listener = Rota.spin { hear(2) }
      speaker = connect
      Rota.sleep(0.001) while speaker.publish("news", "nobody yet").zero?
      speaker.publish("news", "second")
      assert_equal [["OK"] * 100, "99"], [speaker.pipelined { |p| 100.times { |i| p.set("n", i) } }, speaker.get("n")]
      speaker.close
      listener.await
    end
    assert_equal ["nobody yet", "second"], heard
  end

  def hear(count)
    heard = []
    redis = connect
    redis.subscribe("news") do |on|
      on.message { |_, text| redis.unsubscribe if (heard << text).size == count }
    end
    redis.close
    heard
  end
end
