# frozen_string_literal: true

# What a test may not leave behind: descriptors, threads, and work that a loop still holds.
module Leaks
  # Loop#stats that say how much is open now.
  IN_FLIGHT = %i[ops_in_flight buffers_lent].freeze

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

  # One that is on its way out gets a moment; what it raised is not the question here.
  def ended?(thread)
    thread.join(1)
  rescue Exception
    true
  end

  # The loops of this thread that a test used without Rota.run and left open.
  def open_loops
    return [] unless defined?(Rota::Loop)

    ObjectSpace.each_object(Rota::Loop).filter_map do |found|
      [found, found.stats]
    rescue IOError, Rota::Error # ended, or of another thread
      nil
    end
  end

  # => what is still in flight, in words; a main fiber's loop has one task, the root.
  def in_flight(stats)
    busy = stats.slice(*IN_FLIGHT).reject { |_name, count| count.zero? }
    busy[:tasks_alive] = stats[:tasks_alive] if stats.fetch(:tasks_alive, 0) > 1
    busy.map { |name, count| "#{name}: #{count}" }
  end
end
