# frozen_string_literal: true

module Bench
  module OnUringMachine
    # Entries of its submission queue. Its default is smaller, and does not hold an entry for each of
    # a thousand connections.
    ENTRIES = 4096

    def self.included(contender)
      contender.label "uringmachine"
      contender.needs Need.gem("uringmachine")
      contender.ruby ">= 4.0"
    end

    private

    def set_up = require "uringmachine"

    # A sidecar thread would be a second processor, which no other contender has.
    def machine
      @machine ||= UringMachine.new(size: ENTRIES, sidecar: false)
    end

    # A wait of its is not always ended by a signal, and its scheduler not always by an exception.
    def report_at_the_end(service)
      report = lambda do |*|
        service.report
        exit!(0)
      end
      trap(:TERM, &report)
      Thread.new { report.call if $stdin.gets }
    end

    def figures
      machine.metrics.then { |metrics| { switches: metrics[:total_switches], entries: metrics[:total_ops] } }
    end
  end

  # `start(stint, machine)` answers the fibers of the actors, which work until the stint is over. A thread
  # looks after that: while fibers only give way to each other, one that sleeps is not woken.
  class UringMachineContender < RubyContender
    include OnUringMachine

    def run(stint)
      stint.stats { figures }
      fibers = start(stint, machine)
      watcher = stint.watch_from_thread
      fibers.flatten.each { |fiber| machine.join(fiber) }
      watcher.join
    end
  end

  # Its Fiber::Scheduler: ordinary Ruby code in Fiber.schedule. `start(stint)` makes the actors.
  class UringMachineSchedulerContender < RubyContender
    include OnUringMachine

    def set_up
      super
      require "uringmachine/fiber_scheduler"
    end

    def run(stint)
      stint.stats { figures }
      scheduler = UringMachine::FiberScheduler.new(machine)
      Fiber.set_scheduler(scheduler)
      start(stint)
      Fiber.schedule { stint.watch { |seconds| sleep(seconds) } }
      scheduler.join
    end
  end

  # The same as a server: `handle(socket)` serves one connection.
  class UringMachineSchedulerServer < RubyServer
    include OnUringMachine

    def serve(service)
      set_up
      require "uringmachine/fiber_scheduler"
      server = listen
      scheduler = UringMachine::FiberScheduler.new(machine)
      Fiber.set_scheduler(scheduler)
      service.stats { figures }
      report_at_the_end(service)
      Fiber.schedule do
        service.ready(server.addr[1])
        loop { accept(server.accept) }
      end
      scheduler.join
    end

    private

    def accept(socket)
      send_at_once(socket)
      Fiber.schedule { attend(socket) }
    end
  end

  # `handle(machine, fd)` serves one connection.
  class UringMachineServer < RubyServer
    include OnUringMachine

    def serve(service)
      set_up
      server = listen
      server.setsockopt(:TCP, :NODELAY, true)
      service.stats { figures }
      machine # made before the clock starts
      report_at_the_end(service)
      service.ready(server.addr[1])
      machine.accept_each(server.fileno) { |fd| machine.spin { attend(fd) } }
    end

    private

    def attend(fd)
      handle(machine, fd)
    rescue EOFError, SystemCallError
      nil # the client is gone
    ensure
      machine.close_async(fd)
    end
  end
end
