# frozen_string_literal: true

require "socket"

# What the contenders of this folder pass their messages through: the two ends that one side of a pair
# reads from and writes to, and those of the other side. With :unix they are one connected socket each.
module Ends
  module_function

  def open(transport)
    case transport
    when "pipe" then there, back = Array.new(2) { IO.pipe.each { |io| io.sync = true } }
                     [[back.first, there.last], [there.first, back.last]]
    when "unix" then UNIXSocket.pair.map { |socket| [socket, socket] }
    end
  end

  # The same as descriptor numbers, which nobody closes.
  def open_numbers(transport)
    (@kept ||= []).push(*(sides = Ends.open(transport)))
    sides.map { |side| side.map(&:fileno) }
  end
end
