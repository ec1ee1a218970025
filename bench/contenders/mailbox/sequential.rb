# frozen_string_literal: true

class SequentialMailbox < Bench::SequentialContender
  about "one thread that sends to and takes from each mailbox in turn, a Thread::Queue each"

  private

  def prepare(stint)
    @mailboxes = Array.new(stint[:pairs] * 2) { Thread::Queue.new }
    @rounds = (1000 / @mailboxes.size) + 1
  end

  def bounce(stint)
    @rounds.times do
      @mailboxes.each do |mailbox|
        mailbox.push(mailbox)
        mailbox.pop
      end
    end
    stint.counts[0] += @rounds * @mailboxes.size
  end
end
