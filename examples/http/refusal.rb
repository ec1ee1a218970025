# frozen_string_literal: true

module HTTP
  # Raised for a request that is answered with an error and ends its connection, because what
  # follows it in the stream cannot be trusted.
  class Refusal < StandardError
    attr_reader :status

    def initialize(status, message)
      @status = status
      super(message)
    end
  end
end
