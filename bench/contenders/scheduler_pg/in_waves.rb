# frozen_string_literal: true

require_relative "_select"

# The least that the gem itself takes: nobody waits for one answer, nothing is switched.
class PGInWaves < Bench::SequentialContender
  include Selects

  label "pg, in waves"
  about "one thread that asks on all connections, and then takes all answers: no scheduler, no fibers"

  private

  def prepare(stint)
    @connections = Array.new(stint[:clients]) { connect(stint) }
  end

  def bounce(stint)
    asked = @connections.each { |connection| connection.send_query_params("SELECT $1::int + 1", [41]) }
    stint.counts[0] += asked.map { |connection| connection.get_last_result.getvalue(0, 0) }.size
  end
end
