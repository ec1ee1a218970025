# frozen_string_literal: true

require "etc"

module Rota
  # Native threads for work that would block the loop: long computations in C that release Ruby's
  # lock, libraries with waits of their own.
  #
  #   pool = Rota::ThreadPool.new(4)
  #   digest = pool.process { OpenSSL::Digest.digest("SHA512", huge) }
  class ThreadPool
    # @return [Integer] how many threads there are
    attr_reader :size

    # @param size [Integer]
    def initialize(size = Etc.nprocessors)
      raise ArgumentError, "a pool's size must be a positive Integer" unless size.is_a?(Integer) && size.positive?

      @size = size
      start
    end

    # Runs the block in one of the threads and waits for it. A task that is interrupted leaves the job
    # to itself.
    #
    # @return [Object] the block's value
    # @raise [Exception] what the block raised
    def process(&block)
      done = Event.new
      submit(block) { |outcome| done.signal(outcome) }
      kind, result = done.await
      kind == :value ? result : raise(result)
    end

    # Runs the block in one of the threads and does not wait for it. Its exception is reported on
    # stderr, like that of a Thread; +exit+ ends the process.
    #
    # @return [self]
    def cast(&block)
      submit(block) { |kind, result| report(result) if kind == :error }
      self
    end

    # Is a job running, or waiting for a thread?
    #
    # @return [Boolean]
    def busy?
      check_fork
      @unfinished.available.positive?
    end

    # Takes no more jobs, and returns when those that it has are done and the threads have ended.
    #
    # @return [self]
    # @raise [Rota::Error] in a job of this pool
    def stop
      check_fork
      raise Error, "a job of the pool cannot wait for the pool's end" if @threads.include?(Thread.current)

      @jobs.close
      @stopping.synchronize { await_threads }
      self
    end

    private

    def start
      @pid = Process.pid
      @jobs = Queue.new
      @ended = Queue.new # a message for each thread; waiting for Thread#join would block the loop
      @over = {}.compare_by_identity # who has sent it: its reader may be cancelled before the thread has ended
      @stopping = Mutex.new
      @unfinished = Semaphore.new(0) # as a counter that threads share
      @threads = Array.new(@size) { start_thread }
    end

    def start_thread
      Thread.new { work }.tap { |thread| thread.name = "Rota::ThreadPool" }
    end

    # The threads of the parent, and its jobs, do not exist in a forked child.
    def check_fork
      start if @pid != Process.pid && !@jobs.closed?
    end

    def submit(block, &finish)
      raise ArgumentError, "no block given" unless block

      check_fork
      raise Error, "the pool was stopped" if @jobs.closed?

      @unfinished.release
      @jobs.push([block, finish])
    end

    # In the child of a job that forks without a block this thread goes on. It ends with the job: the others
    # are the parent's.
    def work
      pid = Process.pid
      while Process.pid == pid && (job = @jobs.pop)
        run(*job)
      end
    ensure
      @over[Thread.current] = true
      @ended.push(true)
    end

    # A thread that ended a job's way had a successor before it came here.
    def await_threads
      @ended.pop until @threads.all? { |thread| @over[thread] || !thread.alive? }
      @threads.each(&:join)
    end

    # A job that ends its thread (Thread.exit) has failed, and the pool gets another.
    def run(block, finish)
      outcome = [:ended, Error.new("the job ended its thread")]
      outcome = outcome_of(block)
      alive = true
    ensure
      @unfinished.try_acquire
      replace_thread unless alive
      finish.call(outcome)
    end

    def outcome_of(block)
      [:value, block.call]
    rescue Exception => e
      [:error, e]
    end

    # Ruby gives none when the process ends, which ends its threads: no news, and nobody waits for one.
    def replace_thread
      @threads[@threads.index(Thread.current)] = start_thread
    rescue ThreadError
      nil
    end

    def report(exception)
      return Thread.main.raise(exception) if exception.is_a?(SystemExit)

      $stderr.write("#{Thread.current.inspect}: a job of Rota::ThreadPool terminated with exception " \
                    "(report_on_exception is true):\n#{exception.full_message(highlight: false).chomp}\n")
    rescue ::Exception # its message raises, or $stderr is gone: no reason for the thread to end
      nil
    end
  end
end
