# frozen_string_literal: true

# A chat server for people with a terminal.
#
#   ruby -Ilib examples/chat_server.rb [host:port]      (default 127.0.0.1:7001)
#
#   nc 127.0.0.1 7001                                   in two or three terminals
#
# The first line you send is your nickname, every further one goes to everybody else. `/who` lists
# who is here, `/quit` leaves.
#
# A broadcast never waits for a reader: it only puts the line into each member's outbox, and the
# outbox has a task that writes. Somebody who does not read fills an outbox, not the room.

require "rota"

# The lines that one member has not been sent yet, and the task that sends them.
class Outbox
  LIMIT = 256

  def initialize(stream)
    @stream = stream
    @lines = []
    @skipped = 0
    @idle = false
    @writer = Rota.spin { deliver_all }
  end

  # Never blocks: above the limit a line is counted instead of kept.
  def push(line)
    return @skipped += 1 if @lines.size >= LIMIT

    @lines << line
    wake
  end

  def close
    @writer.terminate
  end

  private

  def deliver_all
    loop { deliver }
  rescue SystemCallError, IOError
    # The connection broke. Who listens to it finds out, too, and closes this outbox.
  end

  # Whatever gathered while the last write was under way goes out as one.
  def deliver
    rest if @lines.empty?
    lines, @lines = @lines, []
    lines << "* you read too slowly and missed #{@skipped} lines\n" if @skipped.positive?
    @skipped = 0
    @stream.write(*lines)
  end

  # Only a task that rests may be scheduled: one that writes is woken by its write.
  def rest
    @idle = true
    Rota.suspend
  end

  def wake
    return unless @idle

    @idle = false
    @writer.schedule
  end
end

# Everybody who has a name.
class Room
  def initialize
    @members = {}
  end

  def names = @members.keys.sort

  def taken?(name) = @members.key?(name)

  def enter(name, outbox)
    @members[name] = outbox
    tell_others(name, "* #{name} joined")
  end

  def leave(name)
    tell_others(name, "* #{name} left") if @members.delete(name)
  end

  def tell_others(name, text)
    line = "#{text}\n"
    @members.each { |other, outbox| outbox.push(line) unless other == name }
  end
end

# One conversation: asks for the nickname, then passes lines on until the end.
class Visitor
  NAME = /\A[[:alnum:]_-]{1,20}\z/
  LINE_LIMIT = 1024

  def initialize(stream, room)
    @stream = stream
    @room = room
    @outbox = Outbox.new(stream)
  end

  def stay
    return unless (@name = introduce)

    say "* welcome #{@name}, here are: #{@room.names.join(" ")}"
    talk
  ensure
    @room.leave(@name) if @name
    @outbox.close
  end

  private

  def introduce
    say "* your nickname?"
    while (name = hear)
      problem = objection(name)
      return name.tap { @room.enter(name, @outbox) } unless problem

      say problem
    end
  end

  def objection(name)
    return "* letters, digits, - and _, at most 20" unless NAME.match?(name)

    "* #{name} is taken" if @room.taken?(name)
  end

  def talk
    while (line = hear)
      case line
      when "" then next
      when "/quit" then return
      when "/who" then say "* here are: #{@room.names.join(" ")}"
      when %r{\A/} then say "* I know /who and /quit"
      else speak(line)
      end
    end
  end

  # The turn goes round after each line, or a hundred lines that came in one packet would fill the
  # outboxes before their writers have run once.
  def speak(line)
    @room.tell_others(@name, "#{@name}: #{line}")
    Rota.snooze
  end

  # A line without its end, nil when the visitor has gone. Longer lines arrive in pieces.
  def hear
    @stream.gets("\n", LINE_LIMIT)&.scrub&.strip
  end

  def say(text)
    @outbox.push("#{text}\n")
  end
end

$stdout.sync = true

Rota.run do
  room = Room.new
  listener = Rota.listen(ARGV.fetch(0, "127.0.0.1:7001")) do |stream|
    Visitor.new(stream, room).stay
  rescue SystemCallError, IOError
    # This visitor's connection broke; the room has been told already.
  end

  puts "listening on #{listener.address}"
  Rota.sleep
rescue Interrupt
  listener&.stop
  puts "stopped"
end
