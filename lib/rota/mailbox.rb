# frozen_string_literal: true

module Rota
  class Task
    # @private
    def self.__check(task)
      raise TypeError, "wrong argument type #{task.class} (expected Rota::Task)" unless task.is_a?(Task)
    end

    # What was sent to this task and not yet received. Kept over restarts.
    #
    # @return [Rota::Queue]
    def mailbox
      @mailbox ||= Queue.new
    end

    # Sends a message. From any thread; also to a task that has ended, which nobody reads.
    #
    # @param message [Object] exceptions too: they arrive as values
    # @return [self]
    def <<(message)
      mailbox << message
      self
    end

    # Puts [task, result] into this task's mailbox when +task+ ends; at once when it has. Failures go
    # where they would have gone without.
    #
    # @param task [Rota::Task]
    # @return [self]
    # @raise [TypeError] not a task
    def monitor(task)
      Task.__check(task)
      self << [task, task.result] unless task.__add_monitor(mailbox)
      self
    end

    # @param task [Rota::Task]
    # @return [self]
    # @raise [TypeError] not a task
    def unmonitor(task)
      Task.__check(task)
      task.__remove_monitor(mailbox)
      self
    end
  end

  class << self
    # The next message sent to the current task; waits for one.
    #
    # @return [Object]
    def receive = current.mailbox.pop

    # Yields each message sent to the current task, for ever.
    #
    # @return [nil] when the block raises StopIteration
    def receive_loop
      raise ArgumentError, "no block given" unless block_given?

      loop_until_stopped { yield receive }
    end

    # What was sent to the current task until now, without waiting.
    #
    # @return [Array]
    def receive_all_pending = current.mailbox.shift_all
  end
end
