# frozen_string_literal: true

require_relative "../support/load"

Bench::Loaded.new(
  "http_16k",
  answered_by: "http",
  title: "HTTP with a body of 16 KiB",
  operation: "one GET on a connection that stays, and its answer",
  cases: [{ connections: 50, target: "/size/16384", body: 16_384 }],
  method: "The client is bench/floor/load_http.c, which checks the status and the length of each answer. Servers " \
          "that speak Rack run one application, in one process with one thread for Ruby; all of it on one core.",
  program: "load_http", own: %i[target body]
)
