# frozen_string_literal: true

require_relative "_get"
require_relative "../scheduler_pipe/_null_hooks"

# What the gem, core and the system calls take behind any scheduler: a query is sent, its answer is asked for in
# vain, waited for, and read. Who waits enters the next fiber of a circle, and tries when it is entered again.
class LeastHooksRedis < Bench::SequentialContender
  include Gets

  ROUNDS = 10

  needs Bench::Need.floor("least_hooks")
  label "redis, least hooks"
  about "a scheduler in C that enters the next fiber of a circle at each wait: no poll, no choice"

  def set_up
    super
    require Bench::Floor.extension("least_hooks")
  end

  def run(stint)
    @home = Fiber.current
    connections = Array.new(stint[:clients]) { connect(stint) }
    Fiber.set_scheduler(scheduler = Class.new { include NullHooks }.include(LeastHooks).new)
    scheduler.circle = connections.map.with_index do |connection, index|
      Fiber.new { index.zero? ? lead(stint, connection) : follow(stint, index, connection) }
    end
    scheduler.enter_next
  end

  private

  def lead(stint, connection)
    keep_asking(stint, 0, connection) { |count| (count % ROUNDS).positive? || stint.goes_on? }
    @home.transfer
  end

  def follow(stint, index, connection) = keep_asking(stint, index, connection) { true }

  def keep_asking(stint, index, connection)
    stint.counts[index] = 0
    stint.timed(index) { ask(connection) } while yield(stint.counts[index])
  end
end
