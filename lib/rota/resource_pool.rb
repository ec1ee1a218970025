# frozen_string_literal: true

module Rota
  # Shares a limited number of resources, made when they are first needed: connections, for example.
  #
  #   pool = Rota::ResourcePool.new(limit: 5) { Database.connect }
  #   pool.acquire { |db| db.query("select 1") }
  #   pool.query("select 1") # the same
  #
  # In a forked child a pool begins anew. The resources that there were are the parent's, which goes on to use
  # them: the child lends none of them, ends none of them, and makes its own.
  class ResourcePool
    # @return [Integer] how many resources there may be
    attr_reader :limit

    # @param limit [Integer]
    # @yieldreturn [Object] a new resource
    def initialize(limit:, &allocator)
      raise ArgumentError, "no block given" unless allocator
      raise ArgumentError, "a pool's limit must be a positive Integer" unless limit.is_a?(Integer) && limit.positive?

      @limit = limit
      @allocator = allocator
      start
    end

    # How many resources could be had at once, whether they exist already or not.
    #
    # @return [Integer]
    def available
      check_fork
      @slots.available
    end

    # @return [Integer] how many resources there are, those included that are being made
    def size
      check_fork
      @size
    end

    # Waits for a resource, first come first served, and lends it to the block. Inside the block the
    # same task gets the same resource again.
    #
    # An allocator that fails raises here and takes up no room.
    #
    # @yieldparam resource [Object]
    # @return [Object] the block's value
    def acquire(&block)
      raise ArgumentError, "no block given" unless block

      check_fork
      holder = current_holder
      lent = @held[holder]
      return yield(lent.first) if lent

      @slots.acquire { lend(holder, &block) }
    end

    # The resource that the current task holds is broken: it is dropped instead of given back.
    #
    # @return [self]
    # @raise [Rota::Error] the current task holds none
    def discard!
      check_fork
      lent = @held[current_holder]
      raise Error, "this task holds no resource of the pool" unless lent

      lent[1] = true
      self
    end

    # Makes all resources that the limit allows, now.
    #
    # @return [self]
    def fill!
      check_fork
      while @slots.try_acquire
        begin
          made = allocate or break
          @stock << made
        ensure
          @slots.release
        end
      end
      self
    end

    # Ruby tries these on anything; a pool in an Array that is flattened is still a pool.
    IMPLICIT_CONVERSIONS = %i[to_ary to_hash to_int to_io to_open to_path to_proc to_regexp to_str to_sym].freeze
    private_constant :IMPLICIT_CONVERSIONS

    private

    def start
      @pid = Process.pid
      @slots = Semaphore.new(@limit) # who holds one may hold a resource
      @stock = [] # each in an Array of its own
      @size = 0
      @held = {}.compare_by_identity # task => [resource, discarded]
    end

    # The tasks that held resources do not exist in a forked child, and would never give them back. Nor does
    # who forked while it held one: the parent does.
    def check_fork
      start if @pid != Process.pid
    end

    # A thread without a loop is its own holder.
    def current_holder
      Rota.loop? || Thread.current == Thread.main ? Rota.current : Thread.current
    end

    def lend(holder)
      lent = @held[holder] = [take, false]
      yield lent.first
    ensure
      check_fork
      give_back(@held.delete(holder)) if lent && @held[holder].equal?(lent)
    end

    # There is always one in stock, or room for one more: every resource that is not in stock belongs
    # to one of the other holders of a slot. Another thread may take the one or the other in between.
    def take
      nil until (found = @stock.pop || allocate)
      found.first
    end

    # => [resource], or nil when the limit is reached. What is being made takes up room already. They are
    # counted, because an allocator may give the same object again.
    def allocate
      return if @size >= @limit

      @size += 1
      begin
        made = [@allocator.call]
      ensure
        @size -= 1 unless made
      end
    end

    def give_back(lent)
      resource, discarded = lent
      if discarded
        @size -= 1
      else
        @stock << [resource]
      end
    end

    # What the pool does not know is asked of a resource.
    def method_missing(name, ...)
      return super unless respond_to_missing?(name, false)

      acquire { |resource| resource.public_send(name, ...) }
    end

    # Without a resource to ask, one is made.
    def respond_to_missing?(name, include_private)
      return super if IMPLICIT_CONVERSIONS.include?(name)

      check_fork
      sample = @held.each_value.first || @stock.last
      return sample.first.respond_to?(name) if sample

      acquire { |resource| resource.respond_to?(name) }
    end
  end
end
