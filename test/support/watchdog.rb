# frozen_string_literal: true

require "rbconfig"

# Ends the process when a test hangs, and shows where.
#
# The watch over every test is another process (watchdog_process.rb): a thread in here would count as
# one more thread that may wake somebody, and the loop would take other paths than in a program
# without one (no deadlock would ever be reported). ROTA_WATCHDOG=thread asks for the thread all the
# same, to look into one test that hangs: only a thread can show all threads and the tree of tasks.
# ROTA_WATCHDOG=off is for work in a debugger.
module Watchdog
  KIND = ENV.fetch("ROTA_WATCHDOG", "process")

  # Slow tools (valgrind) stretch every limit.
  SCALE = Float(ENV.fetch("ROTA_TIME_SCALE", "1"))

  module_function

  def arm(name, seconds)
    case KIND
    when "process" then tell("#{name}\t#{seconds * SCALE}")
    when "thread" then @thread = watch(name, seconds * SCALE)
    end
  end

  def disarm
    case KIND
    when "process" then tell("")
    when "thread" then dismiss(@thread)
    end
  end

  # Runs the block under a thread that reports and ends the process when the time is up.
  def with_timeout(seconds, name)
    thread = watch(name, seconds * SCALE)
    yield
  ensure
    dismiss(thread)
  end

  def watch(name, seconds)
    Thread.new do
      sleep seconds
      report(name, seconds)
      exit!(1)
    end
  end

  def dismiss(thread)
    thread&.kill&.join
  end

  def report(name, seconds)
    warn_raw "\n#{name} hangs: no end after #{seconds} s"
    Thread.list.each { |thread| warn_raw "#{thread.inspect}\n  #{Array(thread.backtrace).join("\n  ")}" }
    warn_raw Rota.tree if Rota.respond_to?(:tree)
  rescue Exception => e
    warn_raw "the report failed: #{e.full_message}"
  end

  def warn_raw(text) = $stderr.syswrite("#{text}\n")

  def tell(line) = @pipe.syswrite("#{line}\n")

  # The process detaches itself, so that no test that waits for any child ever meets it. It is clean
  # of bundler and of preloaded libraries.
  def start
    reader, writer = IO.pipe
    script = File.join(__dir__, "watchdog_process.rb")
    pid = Process.spawn({ "RUBYOPT" => nil, "LD_PRELOAD" => nil }, RbConfig.ruby, "--disable-gems", script,
                        Process.pid.to_s, in: reader)
    reader.close
    Process.wait(pid)
    writer
  end

  # Before the first test counts its descriptors.
  @pipe = start if KIND == "process"
end
