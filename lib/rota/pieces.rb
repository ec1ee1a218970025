# frozen_string_literal: true

module Rota
  # What comes, as it comes: for all that has a +read_loop+. Included in {Stream}; added to IO and, with
  # TLS, to SSLSocket.
  module Pieces
    # Gives what comes to a method of an object, as it comes, until the end. A block is handed on to
    # each call: <tt>stream.feed_loop(unpacker, :feed_each) { |object| … }</tt>.
    #
    # @param receiver [Object]
    # @param method [Symbol]
    # @return [self]
    # @raise as +read_loop+
    def feed_loop(receiver, method = :call, &block)
      read_loop { |bytes| receiver.public_send(method, bytes, &block) }
    end

    # Calls the consumer, a method's block, with what the block gives, until that is nil.
    #
    # @api private
    def self.each(maxlen, consumer)
      raise LocalJumpError, "no block given (yield)" unless consumer

      Numbers.require_positive("maxlen", maxlen)

      while (bytes = yield)
        consumer.call(bytes)
      end
    end
  end
end
