# frozen_string_literal: true

require_relative "table"

module Bench
  # The table of one case: medians side by side, and ratios to one contender.
  class Comparison
    # Whose figures are 1.00: the first of these that was measured.
    BASELINES = %w[rota c_io_uring c_epoll].freeze

    HEADS = ["contender", "CPU ns/op", "ratio", "spread", "ops/s", "ratio", "p50 µs", "p99 µs", "KiB each",
             "instr/op", "calls/op", "enters/op", "entries/op", "switches/op", "allocs/op", "RSS MiB"].freeze

    def initialize(session, params)
      @session = session
      @params = params
      @rows = session.contenders.select { |contender| entry(contender).measured? }
    end

    def table
      table = Table.new(HEADS)
      @rows.sort_by { |contender| entry(contender).median(:cpu_ns) }.each { |contender| table.add(row(contender)) }
      table.to_s
    end

    def caption
      return "Nothing could be measured." unless baseline

      same = ", on the same Ruby" if kinds.size > 1
      "Ratios: #{baseline.label} = 1.00#{same}; in CPU below 1 is cheaper, in ops/s above 1 is faster."
    end

    private

    def entry(contender) = @session.entry(contender, @params)

    def baseline
      @baseline ||= BASELINES.filter_map { |key| @rows.find { |row| row.key == key } }.first || @rows.first
    end

    # Whom this one is compared with: Rota on its own Ruby, if it was measured there.
    def baseline_of(contender)
      return baseline if contender.kind.nil? || contender.kind == baseline.kind

      @rows.find { |row| row.kind == contender.kind && row.key.start_with?("rota") } || baseline
    end

    def kinds = @rows.filter_map(&:kind).uniq

    def row(contender)
      entry = entry(contender)
      base = entry(baseline_of(contender))
      [contender.label, *processor(entry, base), *throughput(entry, base), *latency(entry),
       number(entry.median(:each_bytes)&.fdiv(1024), 1), *counts(entry),
       number(entry.median(:rss_kb)&.fdiv(1024), 1)]
    end

    def processor(entry, base)
      spread = entry.spread(:cpu_ns)
      [number(entry.median(:cpu_ns), 0), ratio(entry, base, :cpu_ns), spread && "#{(spread * 100).round} %"]
    end

    def throughput(entry, base)
      [number(entry.median(:ops_per_s), 0), ratio(entry, base, :ops_per_s)]
    end

    def latency(entry)
      %i[p50_ns p99_ns].map { |metric| number(entry.median(metric)&.fdiv(1000), 0) }
    end

    def counts(entry)
      counted = [entry.calls, *%i[enters entries switches allocations].map { |metric| entry.median(metric) }]
      [number(entry.instructions&.values&.sum, 0), *counted.map { |value| number(value, 2) }]
    end

    def ratio(entry, base, metric)
      number(entry.median(metric).fdiv(base.median(metric)), 2)
    end

    # 1234567.8 with 0 digits is "1,234,568".
    def number(value, digits)
      return nil unless value

      whole, fraction = format("%.#{digits}f", value).split(".")
      [whole.reverse.scan(/\d{1,3}/).join(",").reverse, fraction].compact.join(".")
    end
  end
end
