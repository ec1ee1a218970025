# frozen_string_literal: true

module Rota
  class << self
    # Starts a process that belongs to the current task: when the task ends, or is cancelled, the
    # process gets TERM, and KILL after a grace period. <tt>Rota.run</tt> and scopes wait for it, as
    # they do for tasks.
    #
    # Arguments and options are those of +Process.spawn+, and so are the errors. Besides, +in:+,
    # +out:+ and +err:+ may be +:pipe+, which gives a stream of this process; signals go to the whole
    # group of a process that was started with <tt>pgroup: true</tt>.
    #
    # With a block the streams are closed and the process is waited for when the block ends, which
    # sets <tt>$?</tt>; when the block raises, the process is ended.
    #
    #   Rota.spawn("sort", in: :pipe, out: :pipe) do |sort|
    #     sort.stdin.write("b\na\n")
    #     sort.stdin.close
    #     sort.stdout.read
    #   end
    #
    # @param command [Array<Hash, String, Array>] environment, command, arguments
    # @param grace [Numeric] seconds between TERM and KILL
    # @yieldparam child [Rota::ChildProcess]
    # @return [Rota::ChildProcess, Object] with a block, its value
    # @raise [SystemCallError] +Errno::ENOENT+: command not found ...
    # @raise [ArgumentError] unknown options
    def spawn(*command, grace: ChildProcess::GRACE, **options, &block)
      launcher = ProcessLauncher.new(command, options)
      block ? launcher.run(grace, &block) : launcher.start(grace)
    end

    # Runs a command and waits for its end; sets <tt>$?</tt>. As Kernel#system, but other tasks go on,
    # and the process ends with the task that waits for it.
    #
    # @param command [Array<Hash, String, Array>] as +Process.spawn+'s
    # @param exception [Boolean] raise instead of returning false or nil
    # @param grace [Numeric] seconds between TERM and KILL, when the task is cancelled
    # @return [Boolean, nil] was its exit status zero? nil: it could not be started
    # @raise [SystemCallError, RuntimeError] with <tt>exception: true</tt>
    def system(*command, exception: false, grace: ChildProcess::GRACE, **options)
      launcher = ProcessLauncher.new(command, options)
      status = launcher.run(grace, &:wait)
      return true if status.success?

      raise "Command failed with #{ProcessLauncher.describe(status)}: #{launcher.name}" if exception

      false
    rescue SystemCallError => e
      raise if exception || !e.equal?(launcher.failure)

      Loop.__set_last_status(-1, ProcessLauncher::NOT_FOUND)
      nil
    end

    # Runs a command to its end and gives all that it printed, however much, and how it ended; sets
    # <tt>$?</tt>. As Open3.capture3.
    #
    #   out, err, status = Rota.capture("git", "log", "-1")
    #
    # @param command [Array<Hash, String, Array>] as +Process.spawn+'s
    # @param stdin_data [String, nil] what the process reads; nil: nothing
    # @param binmode [Boolean] the output is binary
    # @param grace [Numeric] seconds between TERM and KILL, when the task is cancelled
    # @return [Array(String, String, Process::Status)] output, errors, status
    # @raise [SystemCallError] +Errno::ENOENT+: command not found ...
    def capture(*command, stdin_data: nil, binmode: false, grace: ChildProcess::GRACE, **options)
      options = { in: stdin_data ? :pipe : File::NULL, out: :pipe, err: :pipe }.merge(options)
      spawn(*command, grace: grace, **options) do |child|
        out, err = ProcessLauncher.exchange(child, stdin_data)
        [binmode ? out.b : out, binmode ? err.b : err, child.wait]
      end
    end
  end

  # From the arguments of {Rota.spawn} to a process and the streams to it.
  #
  # @api private
  class ProcessLauncher
    # The wait status of a command that was not found, as a shell gives it.
    NOT_FOUND = 127 << 8
    STREAMS = %i[in out err].freeze

    class << self
      # As Kernel#system words it.
      def describe(status)
        return "exit #{status.exitstatus}" unless status.signaled?

        "SIG#{Signal.signame(status.termsig)} (signal #{status.termsig})"
      end

      # Writes and reads at once, so that no full pipe stops the other side.
      def exchange(child, input)
        Rota.spin_scope do
          readers = [child.stdout, child.stderr].map { |stream| Rota.spin { stream ? stream.read : +"" } }
          feed(child.stdin, input) if child.stdin
          Task.await(*readers)
        end
      end

      private

      # Who does not want it all, as head(1), has closed its end.
      def feed(stream, input)
        stream.write(input.to_s) if input
      rescue Errno::EPIPE
        nil
      ensure
        stream.close
      end
    end

    # Why the process could not be started; nil if it was.
    attr_reader :failure

    # Options may also stand in a Hash at the end, as for Process.spawn.
    def initialize(command, options)
      *command, braced = command if command.size > 1 && command.last.is_a?(Hash)
      @command = command
      @options = options.merge(braced || {})
      @ours = {}
      @theirs = []
    end

    # The command without its further arguments, for reports.
    def name
      program = @command.find { |part| !part.is_a?(Hash) }
      (program.is_a?(Array) ? program.first : program).to_s
    end

    # => Rota::ChildProcess. Closing may be a switchpoint: whoever is interrupted there has no process.
    def start(grace)
      open_pipes
      child = ChildProcess.new(name.scrub[/\S+/], grace: grace, group: group?, streams: @ours) { launch }
      Rota.shield { @theirs.each(&:close) }
      started = child
    ensure
      give_up(child) unless started
    end

    # Yields the process, and ends with it => the block's value
    def run(grace)
      child = start(grace)
      value = yield(child)
      child.close
      child.wait
      done = true
      value
    ensure
      child&.terminate unless done
    end

    private

    def give_up(child)
      child&.terminate
    ensure
      Rota.shield { [*@theirs, *@ours.values].each(&:close) }
    end

    def launch
      Process.spawn(*@command, @options)
    rescue SystemCallError => e
      @failure = e
      raise
    end

    def group? = [true, 0].include?(@options[:pgroup])

    def open_pipes
      STREAMS.each do |name|
        next unless @options[name] == :pipe

        reader, writer = IO.pipe
        ours, theirs = name == :in ? [writer, reader] : [reader, writer]
        @theirs << theirs
        @options[name] = theirs
        @ours[name] = Stream.for_fd(ours.fileno)
        ours.autoclose = false # only now does the number belong to the stream
      end
    end
  end
end
