# frozen_string_literal: true

# What a test may not leave behind: descriptors, threads, and work that a loop still holds.
module Leaks
  # Loop#stats that say how much is open now, and are zero at rest.
  AT_REST = %i[ops_in_use ops_in_flight ops_queued buffers_lent slots_used timers_armed].freeze

  module_function

  # number => what it is open on. Read without a directory handle of our own among them.
  def descriptors
    Dir.children("/proc/self/fd").each_with_object({}) do |number, found|
      found[Integer(number)] = File.readlink("/proc/self/fd/#{number}")
    rescue Errno::ENOENT
      next
    end
  end

  # What is open now and was not before, at a second look too: the collector closes what nobody
  # holds, and the kernel lets go of a cancelled request a moment later.
  def new_descriptors(before)
    new = nil
    5.times do |attempt|
      new = descriptors.to_a - before.to_a
      break if new.empty?

      GC.start
      sleep 0.005 * attempt
    end
    new.map { |number, target| "#{number} (#{target})" }
  end

  # Threads of Ruby's own library live on by design.
  def new_threads(before)
    new = (Thread.list - before).reject { |thread| thread.name.to_s.start_with?("Timeout") }
    new.reject { |thread| ended?(thread) }.map(&:inspect)
  end

  # Timeout keeps a thread for later. A process with another thread has no deadlocks to report, so that
  # the next test would find another loop than in a program without it.
  def end_timeout_thread
    Thread.list.each { |thread| thread.kill.join if thread.name.to_s.start_with?("Timeout") }
  end

  # One that is on its way out gets a moment; what it raised is not the question here.
  def ended?(thread)
    thread.join(1)
  rescue Exception
    true
  end

  # Ends the loops that a test used without Rota.run => what they still had in flight, in words.
  # Every test begins without a loop, so that what one leaves is not found by the next.
  def end_loops
    return [] unless defined?(Rota::Loop)

    busy = loops.map { |found| end_loop(found) }
    return busy.flatten unless busy.include?(nil)

    GC.start # a thread that is killed while it opens one leaves it to the collector
    busy.compact.flatten + loops.filter_map { |found| refusal_to_stop(found) }
  end

  # All at once: to end one makes objects.
  def loops = ObjectSpace.each_object(Rota::Loop).to_a

  # nil: it refuses to stop.
  def end_loop(found)
    settle(found).tap { found.stop }
  rescue IOError # stopped before
    []
  rescue Rota::Error
    nil
  end

  # Another thread's, or one with tasks.
  def refusal_to_stop(found)
    found.stop && nil
  rescue IOError
    nil
  rescue Rota::Error => e
    "#{found.inspect}: #{e.message}"
  end

  # What was abandoned is the kernel's until it says so, and what nobody holds until the collector
  # comes: some turns later only what is really left is left.
  def settle(found)
    busy = in_flight(found.stats)
    10.times do |attempt|
      break if busy.empty?

      GC.start if attempt == 1
      Rota.sleep(0.002 * attempt)
      busy = in_flight(found.stats)
    end
    busy
  end

  def in_flight(stats)
    busy = stats.slice(*AT_REST).reject { |_name, count| count.zero? }
    busy[:tasks_alive] = stats[:tasks_alive] if stats.fetch(:tasks_alive) > 1 # the root task is one
    busy.map { |name, count| "#{name}: #{count}" }
  end
end
