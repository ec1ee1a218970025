# frozen_string_literal: true

module Rota
  class Loop
    # Parks the current task until a child may be waited for, where neither the ring nor a descriptor
    # can tell. The thread takes no status, and ends with this wait, however that ends.
    #
    # @private
    def self.__await_child_in_thread(pid, flags)
      ended = Event.new
      thread = Thread.new do
        __block_for_child(pid, flags)
      ensure
        ended.signal
      end
      ended.await
    ensure
      thread&.kill
    end
  end
end
