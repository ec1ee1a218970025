# frozen_string_literal: true

require "timeout"

module Demo
  # A process of the demo that tells us things line by line. It is in a process group of its own, so
  # that Ctrl-C in the terminal reaches only us, and we end the children in order.
  class Child
    GRACE = 3

    def self.run(*arguments)
      child = new(*arguments)
      yield child
    ensure
      child&.stop
    end

    def initialize(*arguments)
      @lines, output = IO.pipe
      @pid = Process.spawn(*COMMAND, *arguments, in: File::NULL, out: output, pgroup: true)
      output.close
    end

    # The next line, nil when the child has ended.
    def gets = @lines.gets

    # Asks the child to end; one that does not is ended.
    def stop
      signal(:INT)
      Timeout.timeout(GRACE) { Process.wait(@pid) }
    rescue Timeout::Error
      signal(:KILL)
      Process.wait(@pid)
    ensure
      @lines.close
    end

    private

    # A child that has ended stays known to the system until it is waited for.
    def signal(name) = Process.kill(name, @pid)
  end
end
