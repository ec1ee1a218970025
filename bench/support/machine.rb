# frozen_string_literal: true

require "etc"
require_relative "calls"
require_relative "floor"
require_relative "interpreter"
require_relative "pinning"

module Bench
  # Where the figures were taken: without it they are worth nothing.
  module Machine
    module_function

    def description
      {
        "Machine" => "#{processor}, #{Etc.nprocessors} cores, #{memory_gib} GiB",
        "Kernel" => "#{uname[:sysname]} #{uname[:release]}",
        **rubies,
        "Rota" => Release.description(Interpreter.own),
        "liburing" => version_of("pkg-config", "--modversion", "liburing"),
        "C compiler" => version_of(Floor.compiler, "--version"),
        "Pinning" => Pinning.description,
        "Counting" => Calls.description
      }
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
