# frozen_string_literal: true

require "test_helper"
require "timeout"

# Hooks called directly: what core does not do on this Ruby, and what only users do.
class SchedulerHooksTest < RotaTest
  # 4.1 has another order of arguments: (io, buffer, offset, length), where length is the most.
  LEAST, MOST = if IO::Buffer.const_defined?(:VERSION) && IO::Buffer::VERSION >= 3
                  ["__%s_least",
                   "%s"]
                else
                  ["%s", "__%s_most"]
                end
  EAGAIN = -Errno::EAGAIN::Errno

  def call(shape, hook, *args) = Fiber.scheduler.public_send(format(shape, hook), *args)

  def in_run(&block) = Rota.run { block.call(*keep(IO.pipe)) }

  def text(buffer) = buffer.get_string

  def test_io_read_with_the_least_length
    in_run do |r, w|
      buffer = IO::Buffer.new(8)
      assert_equal EAGAIN, call(LEAST, :io_read, r, buffer, 0, 0)
      w << "abcdef"
      assert_equal 6, call(LEAST, :io_read, r, buffer, 0, 2)
      assert_equal "\0\0abcdef", text(buffer)
      Fiber.schedule { sleep(0.002) and w << "12" and sleep(0.002) and w << "345" }
      assert_equal 5, call(LEAST, :io_read, r, buffer, 4)
      assert_equal "12345def", text(buffer)
      w.close
      assert_equal 0, call(LEAST, :io_read, r, buffer, 4, 0)
    end
  end

  def test_io_read_with_the_most_length
    in_run do |r, w|
      buffer = IO::Buffer.new(8)
      assert_equal 0, call(MOST, :io_read, r, buffer, 0, 0)
      assert_equal EAGAIN, call(MOST, :io_read, r, buffer, 0, 8)
      w << "abcdef"
      assert_equal 3, call(MOST, :io_read, r, buffer, 5, 3)
      assert_equal "\0\0\0\0\0abc", text(buffer)
      assert_equal 3, call(MOST, :io_read, r, buffer, 0, 8)
      assert_equal "def\0\0abc", text(buffer)
    end
  end

  def test_io_write_in_both_orders
    in_run do |r, w|
      buffer = IO::Buffer.for("0123456789")
      assert_equal 8, call(LEAST, :io_write, w, buffer, 0, 2)
      assert_equal "23456789", r.readpartial(20)
      assert_equal 3, call(MOST, :io_write, w, buffer, 2, 3)
      assert_equal "234", r.readpartial(20)
      assert_equal 0, call(MOST, :io_write, w, buffer, 2, 0)
    end
  end

  def test_positions_in_all_orders
    file = Tempfile.create("positions")
    file << "hello world"
    file.flush
    Rota.run do
      buffer = IO::Buffer.new(5)
      assert_equal 5, call(LEAST, :io_pread, file, buffer, 6, 0, 0)
      assert_equal "world", text(buffer)
      assert_equal 5, call(LEAST, :io_pread, file, buffer, 0, 0) # Ruby 3.1: length, from
      assert_equal "hello", text(buffer)
      assert_equal 2, call(MOST, :io_pread, file, buffer, 6, 1, 2)
      assert_equal "hwolo", text(buffer)
      assert_equal 5, call(LEAST, :io_pwrite, file, IO::Buffer.for("HELLO"), 0, 0, 0)
      assert_equal 1, call(MOST, :io_pwrite, file, IO::Buffer.for("xWx"), 6, 1, 1)
    end
    assert_equal "HELLO World", File.read(file.path)
  ensure
    file.close
    File.unlink(file.path)
  end

  def test_a_negative_position_is_none
    Tempfile.create("positions") do |file|
      file.syswrite("hello")
      file.rewind
      Rota.run do
        [-1, -2].each do |from|
          assert_equal(-Errno::EINVAL::Errno, call(LEAST, :io_pread, file, IO::Buffer.new(5), from, 0, 0))
          assert_equal(-Errno::EINVAL::Errno, call(MOST, :io_pread, file, IO::Buffer.new(5), from, 0, 5))
          assert_equal(-Errno::EINVAL::Errno, call(LEAST, :io_pwrite, file, IO::Buffer.for(+"HELLO"), from, 0, 0))
          assert_equal(-Errno::EINVAL::Errno, call(MOST, :io_pwrite, file, IO::Buffer.for(+"HELLO"), from, 0, 5))
          assert_raises(Errno::EINVAL) { file.pwrite("HELLO", from) }
        end
      end
      assert_equal "hello", file.read
    end
  end

  def test_errors_are_values
    in_run do |r, w|
      buffer = IO::Buffer.new(4)
      assert_equal(-Errno::EBADF::Errno, call(LEAST, :io_read, w, buffer, 0, 0))
      assert_equal(-Errno::ESPIPE::Errno, call(LEAST, :io_pread, r, buffer, 0, 0, 0))
      r.close
      assert_equal(-Errno::EPIPE::Errno, call(LEAST, :io_write, w, buffer, 0, 0))
    end
    Rota.run do
      File.open("/") { |d| assert_equal(-Errno::EISDIR::Errno, call(LEAST, :io_read, d, IO::Buffer.new(4), 0, 0)) }
    end
  end

  def test_an_offset_outside
    in_run { |r| assert_raises(ArgumentError) { call(LEAST, :io_read, r, IO::Buffer.new(4), 0, 5) } }
  end

  def test_io_wait
    in_run do |r, w|
      scheduler = Fiber.scheduler
      assert_equal false, scheduler.io_wait(r, IO::READABLE, 0.001)
      assert_equal false, scheduler.io_wait(r, IO::READABLE, 0)
      assert_equal IO::WRITABLE, scheduler.io_wait(w, IO::WRITABLE, nil)
      w << "x"
      assert_equal IO::READABLE, scheduler.io_wait(r, IO::READABLE, nil)
      r.close
      assert_equal IO::WRITABLE, scheduler.io_wait(w, IO::WRITABLE, 1) # the write will tell
      assert_raises(IOError) { scheduler.io_wait(r, IO::READABLE, nil) }
    end
  end

  def test_block_and_unblock
    Rota.run do
      scheduler = Fiber.scheduler
      waiting = Fiber.schedule { sleep(0.001) and @woken = scheduler.block(:it) }
      sleep(0.003)
      Thread.new { scheduler.unblock(:it, waiting) }.join
      sleep(0.001)
      assert_equal true, @woken
      assert_equal false, scheduler.block(:it, 0.001)
    end
  end

  # Late, double and stray ones end no later wait.
  def test_unblock_of_who_does_not_wait
    Rota.run do
      scheduler = Fiber.scheduler
      log = []
      fiber = Fiber.schedule do
        scheduler.block(:first)
        log << :first
        Rota.sleep(0.01)
        log << :slept
        log << scheduler.block(:second, 0.005)
      end
      3.times { scheduler.unblock(:first, fiber) }
      sleep(0.001)
      5.times { scheduler.unblock(:first, fiber) and sleep(0.001) }
      assert_equal [:first], log
      sleep(0.03)
      assert_equal [:first, :slept, false], log
      scheduler.unblock(:first, fiber) # ended
      scheduler.unblock(:first, Fiber.new { nil })
    end
  end

  # It may come between core's registration and the hook, when a hook was overridden in Ruby.
  def test_unblock_that_comes_before_block
    Rota.run do
      scheduler = Fiber.scheduler
      fiber = Fiber.current
      Thread.new { scheduler.unblock(:it, fiber) }.then { |t| nil while t.alive? }
      assert_equal true, scheduler.block(:it, 1)
    end
  end

  def test_many_fibers_blocked_at_once
    Rota.run do
      scheduler = Fiber.scheduler
      woken = 0
      fibers = Array.new(3000) { Fiber.schedule { scheduler.block(:it) and woken += 1 } }
      Thread.new { fibers.shuffle.each { |fiber| scheduler.unblock(:it, fiber) } }.join
      sleep(0.001) until woken == 3000
    end
  end

  def test_fiber_interrupt
    Rota.run do
      scheduler = Fiber.scheduler
      r, = keep(IO.pipe)
      error = nil
      fiber = Fiber.schedule do
        r.read
      rescue IOError => e
        error = e
      end
      sleep(0.002)
      Thread.new { scheduler.fiber_interrupt(fiber, IOError.new("closed elsewhere")) }.join
      sleep(0.002)
      assert_equal "closed elsewhere", error.message
      scheduler.fiber_interrupt(fiber, IOError.new("too late"))
    end
  end

  # From Ruby 4.1 on the fiber stands behind something that only answers alive?, raise, transfer.
  def test_fiber_interrupt_through_a_proxy
    Rota.run do
      error = nil
      fiber = Fiber.schedule do
        sleep
      rescue IOError => e
        error = e
      end
      proxy = Class.new { define_method(:raise) { |*args| fiber.raise(*args) } }.new
      Fiber.scheduler.fiber_interrupt(proxy, IOError.new("by proxy"))
      sleep(0.002)
      assert_equal "by proxy", error.message
    end
  end

  def test_yield
    log = []
    Rota.run do
      Rota.spin { log << :other }
      Fiber.scheduler.yield
      log << :back
    end
    assert_equal %i[other back], log
  end

  def test_io_close_leaves_the_closing_to_core
    in_run { |r| assert_equal false, Fiber.scheduler.io_close(r.fileno) }
  end

  def test_process_wait_of_what_is_no_child
    Rota.run do
      status = Fiber.scheduler.process_wait(2**22 - 1, 0)
      assert_instance_of Process::Status, status
      assert_equal(-1, status.pid)
    end
  end

  def test_address_resolve
    Rota.run do
      assert_includes Fiber.scheduler.address_resolve("localhost"), "127.0.0.1"
      assert_raises(SocketError) { Fiber.scheduler.address_resolve("nothing.invalid") }
    end
  end

  NOTHING = proc {}

  # Without a splat, which would make an object for itself. The arguments of Ruby 4.1 are tested above.
  COSTS = {
    io_wait_that_waits: ->(s, r, _w, _full, _b) { s.io_wait(r, IO::READABLE, 0.000_01) },
    io_wait_at_once: ->(s, _r, w, _full, _b) { s.io_wait(w, IO::WRITABLE, 1) },
    kernel_sleep: ->(s, _r, _w, _full, _b) { s.kernel_sleep(0.000_01) },
    kernel_sleep_of_nothing: ->(s, _r, _w, _full, _b) { s.kernel_sleep(0) },
    block: ->(s, _r, _w, _full, _b) { s.block(:it, 0.000_01) },
    unblock: ->(s, r, _w, _full, _b) { s.unblock(:it, r) },
    timeout_after: ->(s, _r, _w, _full, _b) { s.timeout_after(5, RuntimeError, "late", &NOTHING) },
    yield: ->(s, _r, _w, _full, _b) { s.yield },
    **(if Rota::Scheduler.instance_method(:io_read).arity == -1
         {
           io_read: ->(s, _r, _w, full, b) { s.io_read(full, b, 0) },
           io_read_of_nothing: ->(s, r, _w, _full, b) { s.io_read(r, b, 0) },
           io_write: ->(s, _r, w, _full, b) { s.io_write(w, b, 0) }
         }
       end)
  }.freeze

  # What the hook calls, and what it allocates in 500 calls.
  def cost_of(hook)
    Rota.run do
      r, w, full, filled = keep(IO.pipe + IO.pipe)
      filled.syswrite("x" * 60_000)
      arguments = [Fiber.scheduler, r, w, full, IO::Buffer.new(16)]
      calls = []
      TracePoint.new(:call, :c_call) { |point| calls << point.method_id }.enable { hook.call(*arguments) }
      100.times { hook.call(*arguments) }
      objects = GC.stat(:total_allocated_objects)
      500.times { hook.call(*arguments) }
      [calls - %i[call disable scheduler], GC.stat(:total_allocated_objects) - objects]
    end
  end

  # No method of Ruby's is called, no object made, no timer but what lies on the stack.
  COSTS.each do |name, hook|
    define_method(:"test_the_cost_of_#{name}") do
      calls, objects = cost_of(hook)
      assert_equal [name[/\A(io_)?[a-z]+(_(sleep|after))?/].to_sym], calls
      assert_operator objects, :<, 20
    end
  end
end
