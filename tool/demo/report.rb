# frozen_string_literal: true

require "etc"

module Demo
  # The table at the end.
  class Report
    PER_REQUEST = {
      enters: "io_uring_enter calls",
      entries: "submission entries",
      completions: "completions",
      switches: "task switches"
    }.freeze
    LABEL_WIDTH = 24
    LIST_WIDTH = 72

    # figures: of the client; before, after: Counters of the server around the load
    def initialize(options, figures, before, after)
      @options = options
      @figures = figures
      @before = before
      @after = after
    end

    def print(output)
      [title, load_rows, server_rows, kernel_rows].each { |part| output.puts(part, "") }
    end

    private

    def title
      "#{@options.connections} keep-alive connections for #{@figures[:elapsed].round(1)} s over loopback, " \
        "Ruby #{RUBY_VERSION}, Linux #{Etc.uname[:release]}, #{Etc.nprocessors} CPUs"
    end

    def load_rows
      rate = @figures[:requests] / @figures[:elapsed]
      [row("requests per second", Demo.grouped(rate)),
       row("requests", Demo.grouped(@figures[:requests])),
       row("latency p50", milliseconds(@figures[:p50])),
       row("latency p99", milliseconds(@figures[:p99])),
       row("errors", @figures[:errors].values.sum.to_s),
       *@figures[:errors].map { |what, count| "    #{count} times: #{what}" }]
    end

    def server_rows
      rows = PER_REQUEST.filter_map do |name, label|
        value = @after.per_request(name, @before)
        row(label, format("%.3f", value)) if value
      end
      ["for each request the server made", *rows]
    end

    def kernel_rows
      used, refused = @after.features.partition { |_name, state| state == true }
      ["engine #{@after.engine}",
       *wrapped("used", used.map(&:first)),
       *refused.map { |name, reason| "  off   #{name}: #{reason || "not used"}" }]
    end

    def wrapped(label, words)
      lines = words.join(", ").scan(/\S.{0,#{LIST_WIDTH - 1}}(?=\s|\z)/)
      lines.each_with_index.map { |line, index| format("  %-5s %s", index.zero? ? label : "", line) }
    end

    def row(label, value) = format("  %-#{LABEL_WIDTH}s %14s", label, value)

    def milliseconds(microseconds)
      microseconds ? format("%.2f ms", microseconds / 1000.0) : "none"
    end
  end
end
