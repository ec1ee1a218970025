# frozen_string_literal: true

require_relative "../support/hosted"
require_relative "../../test/support/servers/redis"

Bench::Hosted.new(
  "scheduler_redis",
  server: RedisServer,
  title: "Fiber schedulers: Redis",
  operation: "one GET of a value of 64 bytes, sent and answered",
  cases: [{ clients: 1 }, { clients: 50 }],
  method: "The measured process is the client, with the gem redis and a connection per actor over the loopback " \
          "interface; the server is the system's Redis on the other core. Much of the time is the gem's own."
)
