# frozen_string_literal: true

class UringMachineTasks < Bench::UringMachineContender
  about "UM#snooze, #spin, #join, #timeout"

  private

  def start(stint, machine)
    stint.counts[0] = 0
    [machine.spin { send(stint[:work], stint, machine) }]
  end

  def switch(stint, machine)
    other = machine.spin { machine.snooze until stint.over? }
    until stint.over?
      machine.snooze
      stint.counts[0] += 2
    end
    machine.join(other)
  end

  def spin_end(stint, machine)
    until stint.over?
      100.times { machine.spin { nil } }
      machine.snooze
      stint.counts[0] += 100
    end
  end

  def spin_await(stint, machine)
    until stint.over?
      machine.join(machine.spin { nil })
      stint.counts[0] += 1
    end
  end

  def timeout(stint, machine)
    until stint.over?
      100.times { machine.timeout(10, Deadline) { nil } }
      machine.submit # a timeout and its end are two entries, and only a wait submits them
      stint.counts[0] += 100
      machine.snooze
    end
  end

  Deadline = Class.new(StandardError)
end
