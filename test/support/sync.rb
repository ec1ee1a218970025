# frozen_string_literal: true

# What the tests of the synchronisation classes share.
module Sync
  private

  # What a call gives, in a form that two classes can be compared in.
  def outcome
    value = yield
    value.nil? || value == true || value == false || value.is_a?(Numeric) || value.is_a?(Array) ? value : value.class
  rescue StandardError => e
    [e.class, e.message.gsub(/0x\h+/, "0x").gsub(/(Thread|Rota)::(Sized)?Queue/, "Queue")]
  end

  # Ruby's own class is the oracle; its answer may be nil.
  def assert_as(expected, actual, name)
    assert expected == actual, "#{name}: expected #{expected.inspect}, not #{actual.inspect}"
  end

  # What happens between tasks of one thread costs no system call. That a busy loop looks at the
  # kernel after so many switches (polls) is not the work's doing.
  def assert_no_enters
    before = Rota.loop.stats
    yield
    after = Rota.loop.stats
    enters, entries, polls = %i[enters entries polls].map { |name| after[name] - before[name] }
    assert_operator enters, :<=, polls, "the kernel was entered"
    assert_equal 0, entries
  end

  # Snoozes until the condition holds, a bounded number of times.
  def snooze_until
    1000.times do
      return if yield

      Rota.snooze
    end
    flunk "it never happened"
  end

  # For other threads: they need time, and ours.
  def sleep_until
    2000.times do
      return if yield

      Rota.loop? ? Rota.sleep(0.001) : sleep(0.001)
    end
    flunk "it never happened"
  end

  # Runs the program in a process of its own and asserts that it printed exactly this.
  def assert_prints(expected, program)
    out, err, status = run_ruby("require 'rota'\n#{program}")
    assert_equal [expected, ""], [out, err]
    assert_predicate status, :success?
  end
end
