# frozen_string_literal: true

module Rota
  class Loop
    # As {Rota.sleep}, for who has the loop at hand.
    #
    # @param seconds [Numeric, nil] nil: until woken
    # @return [Integer] seconds slept
    # @raise [Rota::Error] another thread's loop
    def sleep(*seconds)
      engine # raises for another thread's
      Rota.sleep(*seconds)
    end

    # As {Rota.cancel_after}, for who has the loop at hand.
    #
    # @param seconds [Numeric]
    # @yieldparam timeout [Rota::Timeout]
    # @return [Object] the block's value
    # @raise [Rota::TimeoutError] the block took longer
    # @raise [Rota::Error] another thread's loop
    def timeout(seconds, &block)
      engine # raises for another thread's
      Rota.cancel_after(seconds, &block)
    end
  end
end
