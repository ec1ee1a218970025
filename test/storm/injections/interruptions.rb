# frozen_string_literal: true

module Storm
  # Raises in whoever is exposed, at any of its waits.
  class Interruptions < Injection
    def start
      every(0.0007) do
        1.upto(1 + random.rand(3)) do
          task = world.victim(random)
          next unless task

          task.raise(Interruption, "by a task")
          world.count(:interruptions)
        end
      end
    end
  end

  # The same from another thread.
  class ForeignInterruptions < Injection
    def start
      every_in_thread(0.002) { world.victim(random)&.raise(Interruption, "by a thread") }
    end

    def stop = end_thread
  end

  # What others raise in the thread surfaces in the root task, whoever runs.
  class ThreadRaise < Injection
    def start
      thread = Thread.current
      every_in_thread(0.003) do
        thread.raise(Interruption, "in the thread")
        world.count(:thread_raises)
      end
    end

    def stop = end_thread
  end
end
