# frozen_string_literal: true

require "etc"
require_relative "calls"
require_relative "floor"
require_relative "interpreter"
require_relative "pinning"

module Bench
  # Where the figures were taken: without it they are worth nothing.
  module Machine
    MEASURED = %w[ext lib examples bench/contenders bench/floor bench/questions bench/support].freeze

    module_function

    def description
      {
        "Machine" => "#{processor}, #{Etc.nprocessors} cores, #{memory_gib} GiB",
        "Kernel" => "#{uname[:sysname]} #{uname[:release]}",
        **under_test,
        "Rota" => Release.description(Interpreter.own),
        "liburing" => version_of("pkg-config", "--modversion", "liburing"),
        "C compiler" => version_of(Floor.compiler, "--version"),
        "Pinning" => Pinning.description,
        "Counting" => Calls.description
      }
    end

    # What is measured: figures of another code or another Ruby say nothing of it.
    def under_test = { "Code" => code, **rubies }

    # The last commit that changed what is measured, or how; what was not committed is named beside it.
    def code
      changed = Floor.run("git", "-C", Paths::ROOT, "status", "--porcelain", "--", *MEASURED)
      commit = Floor.run("git", "-C", Paths::ROOT, "log", "-1", "--format=%h", "--", *MEASURED).strip
      changed.empty? ? commit : "#{commit}, and changes that are not committed"
    rescue Floor::Missing
      "not known (no git here)"
    end

    def rubies
      { "Ruby" => Interpreter.own, "Newer Ruby" => Interpreter.newer }.compact.transform_values(&:description)
    end

    def uname = Etc.uname

    def processor
      File.read("/proc/cpuinfo")[/^(?:model name|Processor)\s*:\s*(.+)$/, 1] || uname[:machine]
    end

    def memory_gib
      (File.read("/proc/meminfo")[/^MemTotal:\s*(\d+)/, 1].to_i / 1024.0 / 1024.0).round
    end

    def version_of(*command)
      Floor.run(*command).lines.first.to_s.strip
    rescue Floor::Missing => e
      e.message
    end
  end
end
