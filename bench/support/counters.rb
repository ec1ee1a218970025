# frozen_string_literal: true

module Bench
  # Running totals of the measured Ruby process, of which a window is the difference.
  module Counters
    # Names under which a runtime may tell what went to the ring.
    RING = { enters: %i[enters], entries: %i[entries sqes], switches: %i[switches] }.freeze

    module_function

    def take(stats = {})
      {
        wall_ns: Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond),
        cpu_ns: Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID, :nanosecond),
        allocations: GC.stat(:total_allocated_objects),
        **ring(stats)
      }
    end

    def ring(stats)
      RING.transform_values { |names| stats.values_at(*names).compact.first }.compact
    end

    def difference(from, to)
      to.to_h { |name, value| [name, value - from.fetch(name, 0)] }
    end

    def rss_kb
      File.read("/proc/self/status")[/^VmRSS:\s*(\d+)/, 1].to_i
    end
  end
end
