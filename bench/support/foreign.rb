# frozen_string_literal: true

module Bench
  # How much of the machine others used meanwhile: the reader's measure of how far to trust a figure.
  module Foreign
    TICK_SECONDS = 0.01

    module_function

    # Runs the block; answers its value and the share (0..1) of all cores that went to processes which
    # the harness did not start, or to the hypervisor.
    def watch
      before = reading
      value = yield
      after = reading
      busy, own, all = after.zip(before).map { |to, from| to - from }
      [value, all.positive? ? ((busy - own) / all).clamp(0.0, 1.0) : 0.0]
    end

    # Seconds: busy on all cores, own (with the ended children), and passed on all cores. Interrupts are
    # left out of busy: on the loopback interface they are the benchmark's own.
    def reading
      user, nice, system, idle, iowait, irq, softirq, steal = cpu_ticks
      busy = user + nice + system + steal
      times = Process.times
      own = times.utime + times.stime + times.cutime + times.cstime
      [busy * TICK_SECONDS, own, (busy + idle + iowait + irq + softirq) * TICK_SECONDS]
    end

    def cpu_ticks
      File.open("/proc/stat", &:gets).split.drop(1).first(8).map(&:to_i)
    end
  end
end
