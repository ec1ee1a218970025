# frozen_string_literal: true

module Rota
  class << self
    # Runs the block as the root task of this thread and waits for every task spun in it.
    #
    # A raising block terminates its tasks first. Inside a running task this is {spin_scope}. In a
    # script that has tasks already, or a deadline that covers the run, it is one in a task of its own,
    # and core methods cooperate as in any run.
    #
    # On the main thread INT and TERM are raised in the root task, as +Interrupt+ and
    # +SignalException+, unless they have a handler or are ignored. A second INT ends the process at
    # once, with status 130.
    #
    # @param entries [Integer] submission entries of the ring (default 256)
    # @param engine [Symbol] +:auto+: io_uring where it is granted, else epoll; +:io_uring+ or
    #   +:epoll+: that one or none. ROTA_ENGINE=io_uring or =epoll in the environment overrides it.
    #   {Loop#engine} and {Loop#features} say what was chosen and why, and so does a line on stderr
    #   with <tt>ruby -d</tt>.
    # @param buffers [Integer] provided receive buffers to start with
    # @param buffer_size [Integer] bytes of each
    # @param slow_files [Boolean] file systems may answer late (NFS, FUSE): whatever is asked about files
    #   is asked by workers, although that costs several times as much where the caches know the answer
    # @param without [Array<Symbol>] features to do without (keys of {Loop#features}), as on a
    #   kernel that lacks them
    # @param offload [Boolean] let native threads do what core can do without Ruby's lock, as
    #   +File.open+ and Zlib (from Ruby 3.4 on; docs/scheduler.md)
    # @yieldparam task [Rota::Task] the root task
    # @return [Object] the block's value
    # @raise [Exception] what the block raised, or a task that nobody awaited
    # @raise [Rota::Error] the engine that was asked for is refused (the message says what refuses it
    #   and how to allow it), or another scheduler is installed
    # @raise [ArgumentError] unknown options, or any inside a running task
    def run(**options, &block)
      raise ArgumentError, "no block given" unless block

      check_options(options)
      return run_inside(options, &block) if inside_task?

      refuse_foreign_scheduler
      value = ThreadStart.masked { run_in_fiber(options, block) }
      value.equal?(OVERTAKEN) ? run_inside({}, &block) : value
    end

    private

    OPTIONS = %i[entries engine buffers buffer_size slow_files without offload].freeze
    # A signal handler that came before the loop has spun tasks on one of its own: as if it had come
    # before {Rota.run}, which is then inside of that, whatever its options.
    OVERTAKEN = Object.new.freeze
    private_constant :OPTIONS, :OVERTAKEN

    def check_options(options)
      unknown = options.keys - OPTIONS
      return if unknown.empty?

      raise ArgumentError, "unknown #{unknown.size == 1 ? 'option' : 'options'}: #{unknown.join(', ')}"
    end

    # A script's loop that runs nothing gives way to a real one, and so does one that is over: a trap
    # handler comes before it is put away.
    def inside_task?
      present = loop?
      return false unless present

      leave(present) if present.__over?
      take_off_scheduler
      present.__close if present.idle_script?
      !loop?.nil?
    end

    def run_inside(options, &block)
      unless options.empty?
        raise ArgumentError, "Rota.run inside a running task takes no options: the loop exists already"
      end

      loop.__script? ? run_in_script(block) : spin_scope(&block)
    end

    # A script's loop has no scheduler, and its own fiber is one in which core would not ask it.
    def run_in_script(block)
      refuse_foreign_scheduler unless Fiber.scheduler.is_a?(Scheduler) && !left_behind?(Fiber.scheduler)
      Scheduler.install(false) unless Fiber.scheduler
      Fiber.current.blocking? ? run_in_task(block) : spin_scope(&block)
    ensure
      take_off_scheduler
    end

    # As long as a script has tasks, they may wait through what a run in it has installed.
    def take_off_scheduler
      scheduler = Fiber.scheduler
      Fiber.set_scheduler(nil) if scheduler.is_a?(Scheduler) && scheduler.__left_by_run?
    end

    # What is raised here meanwhile is raised in the block, as if it ran here.
    def run_in_task(block)
      spin_scope do
        cause = nil
        passed_on = []
        task = spin do
          spin_scope(&block)
        rescue ::Exception => e
          cause = e
          raise
        end
        begin
          value = task.await
        rescue ::Exception => e
          raise if task.dead? || (e.is_a?(Deadlock) && passed_on.any?(Deadlock))

          passed_on << e
          task.raise(e)
          retry
        end
        passed_on.any? { |exception| exception.equal?(cause) } ? raise(cause) : value
      end
    end

    def refuse_foreign_scheduler
      return unless Fiber.scheduler
      return Fiber.set_scheduler(nil) if left_behind?(Fiber.scheduler)

      raise Error, "this thread has a Fiber scheduler (#{Fiber.scheduler.class}); " \
                   "run Rota in a thread of its own, or without it"
    end

    # Up to Ruby 3.4 a forked child inherits that of the parent, and up to 3.2 one stays that was
    # closed by an exception.
    def left_behind?(scheduler) = scheduler.is_a?(Scheduler) && (scheduler.closed? || scheduler.__parents?)

    # A Fiber.yield by user code in the root task lands here, where nobody could use it.
    def run_in_fiber(options, block)
      fiber = Fiber.new(blocking: false) { run_loop(options, block) }
      value = fiber.resume
      value = fiber.raise(FiberError, "can't yield from the root task") while fiber.alive?
      value
    end

    def run_loop(options, block)
      loop = Loop.open(options)
      return OVERTAKEN unless loop

      Scheduler.install(options.fetch(:offload, false))
      Signals.route_to(Task.current) { loop.__run_root(block) }
    ensure
      leave(loop)
    end

    # A trap handler may raise wherever it likes.
    def leave(loop)
      Fiber.set_scheduler(nil) if Fiber.scheduler
    ensure
      loop&.__close
    end
  end
end
