# frozen_string_literal: true

# Clients of a server, as any program makes them that knows nothing of its scheduler. What is asked tells
# `connect(stint)`, which answers a connection, and `ask(connection)`.
module Clients
  private

  def keep_asking(stint, index)
    stint.counts[index] = 0
    connection = connect(stint)
    loop do # once at least: connecting may take longer than a short stint
      stint.timed(index) { ask(connection) }
      break if stint.over?
    end
  end
end

module ScheduledClients
  include Clients

  private

  def start(stint, *)
    stint[:clients].times { |index| Fiber.schedule { keep_asking(stint, index) } }
  end
end

module ThreadedClients
  include Clients

  private

  def start(stint)
    Array.new(stint[:clients]) { |index| Thread.new { keep_asking(stint, index) } }
  end
end

# One after the other.
module SequentialClients
  private

  def prepare(stint)
    @connections = Array.new(stint[:clients]) { connect(stint) }
  end

  def bounce(stint)
    @connections.each { |connection| stint.timed(0) { ask(connection) } }
  end
end
