# frozen_string_literal: true

require_relative "../support/load"

Bench::Loaded.new(
  "streaming",
  title: "Streaming to ten clients",
  operation: "16 KiB written by the server and taken by a client",
  cases: [{ connections: 10, piece: 16_384 }],
  method: "The client is bench/floor/load_stream.c, which throws away what comes without copying it; the server " \
          "writes pieces of 16 KiB as fast as they are taken.",
  program: "load_stream", own: %i[piece]
)
