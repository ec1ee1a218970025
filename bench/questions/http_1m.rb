# frozen_string_literal: true

require_relative "../support/load"

Bench::Loaded.new(
  "http_1m",
  answered_by: "http",
  title: "HTTP with a body of 1 MiB",
  operation: "one GET on a connection that stays, and its answer",
  cases: [{ connections: 10, target: "/size/1048576", body: 1_048_576 }],
  method: "The client is bench/floor/load_http.c, which checks the status and the length of each answer. Servers " \
          "that speak Rack run one application, in one process with one thread for Ruby; all of it on one core.",
  program: "load_http", own: %i[target body]
)
