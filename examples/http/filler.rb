# frozen_string_literal: true

module HTTP
  # A body of any length that never takes more memory than one piece.
  class Filler
    PIECE = ("0123456789abcdef" * 4096).freeze

    attr_reader :bytesize

    def initialize(bytesize)
      @bytesize = bytesize
    end

    def each
      whole, rest = @bytesize.divmod(PIECE.bytesize)
      whole.times { yield PIECE }
      yield PIECE.byteslice(0, rest) if rest.positive?
    end
  end
end
