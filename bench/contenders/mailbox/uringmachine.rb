# frozen_string_literal: true

class UringMachineMailbox < Bench::UringMachineContender
  about "two fibers per pair, Fiber#mailbox with UM#push and #shift"

  private

  def start(stint, machine)
    Array.new(stint[:pairs]) { |index| start_pair(stint, index, machine) }
  end

  def start_pair(stint, index, machine)
    stint.counts[index] = 0
    replier = machine.spin { reply(machine) }
    [replier, machine.spin { serve(stint, index, machine, replier) }]
  end

  def serve(stint, index, machine, replier)
    me = Fiber.current
    until stint.over?
      machine.push(replier.mailbox, me)
      machine.shift(me.mailbox)
      stint.counts[index] += 2
    end
    machine.push(replier.mailbox, nil)
  end

  def reply(machine)
    mailbox = Fiber.current.mailbox
    while (sender = machine.shift(mailbox))
      machine.push(sender.mailbox, :answer)
    end
  end
end
