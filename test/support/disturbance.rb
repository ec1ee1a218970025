# frozen_string_literal: true

# Interrupts at moments that a seed chooses. ROTA_HOSTILE_SEED repeats a run, ROTA_HOSTILE_SECONDS
# makes it longer.
module Disturbance
  SEED = Integer(ENV.fetch("ROTA_HOSTILE_SEED") { Random.new_seed % 1_000_000 })
  SECONDS = Float(ENV.fetch("ROTA_HOSTILE_SECONDS", "0.15"))

  def setup = @random = Random.new(SEED)

  private

  # Yields until the time is up.
  def repeat(options)
    Rota.run(**options) do
      until_ns = now_ns + (SECONDS * 1e9)
      yield @random while now_ns < until_ns
    end
  rescue Minitest::Assertion, StandardError => e
    raise e, "#{e.message} (seed #{SEED})", e.backtrace
  end

  def now_ns = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)

  def quietly
    yield
  rescue IOError, SystemCallError
    nil
  end

  # Zero: it fires at the next switchpoint, often in the same turn as the completion.
  def briefly(random, &block)
    Rota.move_on_after(random.rand < 0.3 ? 0 : random.rand(0.0004), with_value: :interrupted, &block)
  end

  # The same by a fiber that is torn down: what its verb brought cannot be returned to anybody.
  def torn_down(random, &block)
    task = Rota.spin { catch(:out, &block) }
    random.rand(3).times { Rota.snooze }
    task.interject { throw :out } if task.state == :waiting
    task.await
  end
end
