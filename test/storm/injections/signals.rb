# frozen_string_literal: true

module Storm
  # Signals come in the middle of everything; their handler takes part in what tasks do.
  class Signals < Injection
    def start
      @handled = 0
      @queue = Rota::Queue.new
      @before = trap(:USR1) { @queue.push(@handled += 1) }
      @taker = Rota.spin("signals") { take }
      every_in_thread(0.001) { Process.kill(:USR1, Process.pid) && world.count(:signals) }
    end

    # Begun again when it was interrupted.
    def stop
      end_thread
      world.patiently { Rota.sleep(0.002) } # what is on its way comes at once
      trap(:USR1, @before || "DEFAULT")
      @queue.push(nil)
      taken = world.patiently { @taker.await }
      raise Broken, "#{@handled} signals were handled, #{taken} pushed" unless taken == @handled
    end

    private

    def take
      taken = 0
      while (number = @queue.shift)
        raise Broken, "signal #{number} came after #{taken}" unless number == (taken += 1)
      end
      taken
    end
  end
end
