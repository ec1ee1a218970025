# frozen_string_literal: true

require_relative "_on_sockets"

class PolyphonyLines < Bench::PolyphonyServer
  include LinesOnSockets

  about "a fiber per connection, its IO#gets and IO#write"
end
