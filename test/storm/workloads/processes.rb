# frozen_string_literal: true

module Storm
  # Children are forked in the middle of everything, run a loop of their own and end with the status
  # that they choose; the parent notices nothing.
  class Forks < Workload
    PATIENCE = 20

    def start
      spin do
        until world.over?
          world.patiently { Rota.sleep(0.01 + (random.rand * 0.1)) }
          fork_one(2 + random.rand(50))
        end
      end
    end

    private

    def fork_one(code)
      GC.stress = false # the child would begin with it
      pid = fork { live_in_child(code) }
      status = wait_for(pid)
      broken "a child was to end with #{code}: #{status.inspect}" unless status&.exitstatus == code
      world.count(:forks)
    rescue Errno::EAGAIN, Errno::ENOMEM
      world.count(:forks_refused)
    end

    def live_in_child(code)
      Faults.set(:allocations, 0) if Faults.available?
      Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE)[1])
      bytes = Rota.run do
        reader, writer = IO.pipe
        Rota.spin { Rota.loop.write(writer, "from the child") }
        Rota.loop.read(reader, 100)
      end
      exit!(bytes == "from the child" ? code : 1)
    rescue Exception => e # a child never goes on as the parent
      warn e.full_message
      exit!(1)
    end

    # By asking again, so that it is the same with and without a scheduler.
    def wait_for(pid)
      deadline = world.now + PATIENCE
      until Process.wait(pid, Process::WNOHANG)
        if world.now > deadline
          Process.kill(:ABRT, pid)
          Process.wait(pid)
          broken "a forked child hangs"
        end
        world.patiently { Rota.sleep(0.002) }
      end
      $?
    end
  end

  # Threads with loops of their own, which talk with this one, end at any time and are killed.
  class Threads < Workload
    PATIENCE = 60

    def start
      @inbox = Rota::Queue.new
      @engine = Rota.loop.engine
      spin do
        run_thread until world.over?
      end
    end

    private

    def run_thread
      outbox = Rota::Queue.new
      thread = Thread.new { answer(outbox) }
      thread.report_on_exception = false
      asked = random.rand(40)
      asked.times { |n| outbox.push(n) }
      outbox.push(nil)
      random.rand(4).zero? ? cut(thread) : check_answers(asked, thread)
    end

    # Each number comes back, from tasks of the other loop.
    def answer(outbox)
      Rota.run(engine: @engine) do
        while (number = outbox.shift)
          Rota.spin(number) { |n| Rota.snooze && n }
          @inbox.push(number)
        end
      end
    end

    def check_answers(asked, thread)
      wait_for_end(thread)
      thread.join
      answers = @inbox.shift_all
      broken "#{answers.size} answers of #{asked} from a thread" unless answers == (0...asked).to_a
      world.count(:threads)
    rescue NoMemoryError, Rota::Error => e
      raise unless world.starved || e.message.match?(/Cannot allocate memory|Too many open files/)

      world.count(:loops_refused)
      @inbox.clear
    end

    def wait_for_end(thread)
      deadline = world.now + PATIENCE
      world.patiently { Rota.sleep(0.001) } while thread.alive? && world.now < deadline
      broken "a thread does not end" if thread.alive?
    end

    def cut(thread)
      world.patiently { Rota.sleep(random.rand * 0.005) }
      random.rand(2).zero? ? thread.kill : thread.raise(Interruption, "cut")
      wait_for_end(thread)
      @inbox.clear
      world.count(:threads_cut)
    end
  end

  # Commands that print, read and end, or are ended.
  class Commands < Workload
    def start
      tasks = Array.new(2) { spin_exposed { run_one until world.over? } }
      spin { tasks.each(&:await) }
    end

    private

    def run_one
      code = random.rand(100)
      bytes = random.bytes(1 + random.rand(100_000))
      out, err, status = Rota.capture("cat; echo #{code} >&2; exit #{code}", stdin_data: bytes, binmode: true)
      whole = out == bytes && err == "#{code}\n" && status.exitstatus == code
      broken "#{out.bytesize} bytes of #{bytes.bytesize}, #{err.inspect}, #{status.inspect}" unless whole
      world.count(:commands)
    rescue *World.harmless, Errno::EMFILE, Errno::EAGAIN
      world.count(:commands_cut)
    rescue IOError # the task that waits for the process found no memory, and ended it
      raise unless world.starved
    end
  end
end
