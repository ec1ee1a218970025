# frozen_string_literal: true

# What the servers of this folder send again and again.
module Piece
  BYTES = ("0123456789abcdef" * 1024).freeze
end
