# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/disturbance"
require_relative "../support/transports"

# Messages and descriptors whose senders and receivers are interrupted all the time: each message
# comes once, each descriptor is taken once or closed.
class HostileMessagesTest < RotaTest
  include Disturbance
  time_limit 120

  ROWS = Transports::ROWS.slice(:default, :ring_of_two)

  ROWS.merge(epoll: { engine: :epoll }).each do |row, options|
    define_method("test_messages_come_once_#{row}") { conserve(options, :DGRAM) }
    define_method("test_packets_come_once_#{row}") { conserve(options, :SEQPACKET) }
    define_method("test_sent_or_not_#{row}") { cancel_sends(options) }
    define_method("test_descriptors_are_taken_or_closed_#{row}") { pass_descriptors(options) }
  end

  private

  def conserve(options, type)
    repeat(options) do |random|
      near, far = UNIXSocket.pair(type)
      total = random.rand(1..40)
      sending = Rota.spin { total.times { |i| Rota.loop.sendmsg(near, i) && (Rota.snooze if random.rand < 0.5) } }
      found = []
      receive_one(far, found, random) until found.size == total
      assert_equal Array.new(total, &:to_s), found
      sending.await
      [near, far].each(&:close)
    end
  end

  def receive_one(socket, found, random)
    got = nil
    receive = proc do
      got = Rota.loop.recv(socket, 100) if random.rand < 0.3
      got ||= Rota.loop.recvmsg(socket, 100, nil, 0, random.rand(100)).first
    end
    random.rand < 0.5 ? briefly(random, &receive) : torn_down(random, &receive)
    found << got if got
  end

  # A datagram leaves whole or not at all, and the sender knows.
  def cancel_sends(options)
    repeat(options) do |random|
      near, far = UNIXSocket.pair(:DGRAM)
      sent = []
      reading = Rota.spin { read_messages(far, random) }
      text = "x" * random.rand(1..20_000)
      random.rand(1..60).times do |i|
        briefly(random) { Rota.loop.sendmsg(near, "#{i} #{text}") && (sent << i) }
      end
      Rota.loop.sendmsg(near, "end")
      assert_equal sent, reading.await
      [near, far].each(&:close)
    end
  end

  def read_messages(socket, random)
    found = []
    while (bytes = Rota.loop.recvmsg(socket, 30_000).first) != "end"
      found << Integer(bytes[/\A\d+/])
      Rota.snooze if random.rand < 0.5
    end
    found
  end

  # The number that a descriptor's file has says which one came.
  def pass_descriptors(options)
    repeat(options) do |random|
      near, far = UNIXSocket.pair
      pipes = Array.new(random.rand(1..10)) { IO.pipe }
      numbers = pipes.map { |reader, _| reader.stat.ino }
      sending = Rota.spin { pipes.each { |ends| Rota.loop.send_io(near, ends.first) } && near.close }
      found = []
      tear = random.rand < 0.5
      nil until receive_descriptor(far, found, random, tear) == :ended
      tear ? assert_empty(found - numbers) : assert_equal(numbers, found)
      sending.await
      [far, *pipes.flatten].each(&:close)
    end
  end

  def receive_descriptor(socket, found, random, tear)
    got = :none
    receive = proc { got = Rota.loop.recv_io(random.rand < 0.5 ? socket : socket.fileno) }
    tear && random.rand < 0.5 ? torn_down(random, &receive) : briefly(random, &receive)
    got = IO.for_fd(got) if got.is_a?(Integer)
    got.nil? ? :ended : (take(got, found) if got != :none)
  end

  def take(io, found)
    found << io.stat.ino
    io.close
  end
end
