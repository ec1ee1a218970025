# frozen_string_literal: true

require_relative "_ends"

class UringMachinePairs < Bench::UringMachineContender
  about "two fibers per pair, UM#read with a buffer and #write (of sockets #recv and #send), on descriptor numbers"

  private

  def start(stint, machine)
    serving, replying = stint[:transport] == "unix" ? %i[serve_socket reply_socket] : %i[serve reply]
    Array.new(stint[:pairs]) do |index|
      near, far = Ends.open_numbers(stint[:transport])
      stint.counts[index] = 0
      [machine.spin { send(serving, stint, index, machine, *near) },
       machine.spin { send(replying, stint, machine, *far) }]
    end
  end

  def serve(stint, index, machine, reader, writer)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      machine.write(writer, message)
      machine.read(reader, buffer, stint[:bytes], 0)
      stint.counts[index] += 2
    end
    machine.close(writer)
  end

  def reply(stint, machine, reader, writer)
    buffer = String.new(capacity: stint[:bytes])
    machine.write(writer, buffer) while machine.read(reader, buffer, stint[:bytes], 0).positive?
  end

  def serve_socket(stint, index, machine, socket, _)
    message = "x" * stint[:bytes]
    buffer = String.new(capacity: stint[:bytes])
    until stint.over?
      machine.send(socket, message, stint[:bytes], 0)
      machine.recv(socket, buffer, stint[:bytes], 0)
      stint.counts[index] += 2
    end
    machine.close(socket)
  end

  def reply_socket(stint, machine, socket, _)
    buffer = String.new(capacity: stint[:bytes])
    while (received = machine.recv(socket, buffer, stint[:bytes], 0)).positive?
      machine.send(socket, buffer, received, 0)
    end
  end
end
