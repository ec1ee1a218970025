# frozen_string_literal: true

require_relative "../support/self_timed"

Bench::SelfTimed.new(
  "mailbox",
  title: "Mailbox: messages between pairs of tasks",
  operation: "one message sent to a task that waited for it",
  cases: [{ pairs: 1 }, { pairs: 100 }],
  method: "A pair is two actors: one sends itself as the message and waits for the answer, the other answers " \
          "whoever asked. All of it happens in one process on one core. Who has no mailboxes uses a queue per " \
          "actor."
)
