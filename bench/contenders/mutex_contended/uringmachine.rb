# frozen_string_literal: true

class UringMachineMutex < Bench::UringMachineContender
  about "a fiber per actor, UM::Mutex, UM#snooze inside"

  private

  def start(stint, machine)
    mutex = UringMachine::Mutex.new
    Array.new(stint[:actors]) { |index| machine.spin { contend(stint, index, machine, mutex) } }
  end

  def contend(stint, index, machine, mutex)
    stint.counts[index] = 0
    until stint.over?
      machine.synchronize(mutex) { machine.snooze }
      stint.counts[index] += 1
    end
  end
end
