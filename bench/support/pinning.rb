# frozen_string_literal: true

module Bench
  # The measured process gets one core, the load generator another: they must not take each other's
  # time, and a process that wanders between cores measures its cold caches.
  module Pinning
    module_function

    def measured(command) = on(cores.first, command)
    def load(command) = on(cores.last, command)

    def description
      return "not pinned (taskset is not installed)" unless taskset?
      return "not pinned (only one core may be used)" if cores.size < 2

      "measured process on core #{cores.first}, load generator on core #{cores.last}"
    end

    def on(core, command)
      taskset? && cores.size > 1 ? ["taskset", "-c", core.to_s, *command] : command
    end

    def cores
      @cores ||= File.read("/proc/self/status")[/^Cpus_allowed_list:\s*(\S+)/, 1]
                     .split(",").flat_map { |part| expand(part) }
    end

    def expand(part)
      first, last = part.split("-").map(&:to_i)
      (first..(last || first)).to_a
    end

    def taskset?
      return @taskset unless @taskset.nil?

      @taskset = system("taskset", "-c", cores.first.to_s, "true", out: File::NULL, err: File::NULL) == true
    end
  end
end
