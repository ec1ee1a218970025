# frozen_string_literal: true

require_relative "../support/hosted"
require_relative "../../test/support/servers/postgresql"

Bench::Hosted.new(
  "scheduler_pg",
  server: PostgreSQL,
  title: "Fiber schedulers: PostgreSQL",
  operation: "one SELECT of one row, sent and answered",
  cases: [{ clients: 1 }, { clients: 50 }],
  method: "The measured process is the client, with the gem pg and a connection per actor through a UNIX socket; the " \
          "server is the system's PostgreSQL on the other core, in a fresh cluster of its own. Operations per second " \
          "are mostly the server's: compare the processor time."
)
