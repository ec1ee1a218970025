# frozen_string_literal: true

require "test_helper"
require_relative "../support/cooperation"

# IO.select, on Ruby 3.2 and later a hook of its own.
class SchedulerSelectTest < RotaTest
  include Cooperation

  # So that results can be compared: what stands for an IO in them.
  def with_pipes(count = 1)
    pipes = Array.new(count) { IO.pipe }
    names = pipes.each_with_index.flat_map { |(r, w), i| [[r, :"r#{i}"], [w, :"w#{i}"]] }.to_h.compare_by_identity
    result = yield(*pipes.flatten)
    @later&.join
    result&.map { |ios| ios.map { |io| names[io] || io } }
  ensure
    pipes.flatten.each { |io| io.close unless io.closed? }
  end

  def later(seconds = 0.01, &block)
    @later = Thread.new { sleep(seconds) and block.call }
  end

  if RUBY_VERSION >= "3.2"
    as_ruby(:until_readable) { with_pipes { |r, w| later { w << "x" } and IO.select([r]) } }
    as_ruby(:one_of_many) { with_pipes(3) { |r0, _, r1, w1, r2, _| later { w1 << "x" } and IO.select([r0, r1, r2]) } }
    as_ruby(:a_timeout) { with_pipes { |r, _| IO.select([r], nil, nil, 0.02) } }
    as_ruby(:a_whole_timeout_in_time) { with_pipes { |r, w| later { w << "x" } and IO.select([r], [], [], 5) } }
    as_ruby(:nothing_but_a_timeout) { with_pipes { IO.select(nil, nil, nil, 0.02) } }
    as_ruby(:empty_arrays_and_a_timeout) { with_pipes { IO.select([], [], [], 0.02) } }
    as_ruby(:the_end_of_a_pipe) { with_pipes { |r, w| later { w.close } and IO.select([r]) } }
  end
  as_ruby(:a_timeout_of_zero, waits: false) { with_pipes { |r, _| IO.select([r], nil, nil, 0) } }
  as_ruby(:ready_at_once, waits: false) { with_pipes { |r, w| w << "x" and IO.select([r], [w], nil, 1) } }
  as_ruby(:writable, waits: false) { with_pipes { |_, w| IO.select(nil, [w]) } }
  as_ruby(:the_same_io_twice, waits: false) { with_pipes { |r, w| w << "x" and IO.select([r, r], [w]) } }
  as_ruby(:a_negative_timeout, waits: false) { with_pipes { |r, _| IO.select([r], nil, nil, -1) } }
  as_ruby(:what_is_no_array, waits: false) { class_of_error { IO.select(1) } }
  as_ruby(:what_is_no_io, waits: false) { class_of_error { IO.select([1], nil, nil, 0) } }
  as_ruby(:a_closed_io, waits: false) { with_pipes { |r, _| r.close and nil or IO.select([r], nil, nil, 0) } }
  as_ruby(:bytes_in_rubys_own_buffer, waits: false) {
    with_pipes { |r, w|
      w << "ab\ncd" and r.gets and IO.select([r], nil, nil, 1)
    }
  }
  as_ruby(:a_file, waits: false) { File.open(__FILE__) { |file| IO.select([file], nil, nil, 1).map(&:size) } }
  as_ruby(:urgent_data, waits: false) do
    server = TCPServer.new("127.0.0.1", 0)
    a = TCPSocket.new("127.0.0.1", server.addr[1])
    b = server.accept
    a.send("!", Socket::MSG_OOB)
    IO.select(nil, nil, [b], 1).map(&:size)
  ensure
    [server, a, b].each(&:close)
  end
  as_ruby(:to_io, waits: false) do
    with_pipes do |r, w|
      w << "x"
      wrapper = Struct.new(:to_io).new(r)
      IO.select([wrapper]).map { |ios| ios.map { |io| io.equal?(wrapper) } }
    end
  end
  # The write end of a process' pipe is another descriptor.
  as_ruby(:a_duplex_pipe, waits: false) do
    IO.popen("cat", "r+") { |cat| IO.select(nil, [cat], nil, 1).map(&:size) }
  end

  # Polls tell of it, select(2) does not.
  def test_what_hung_up_is_not_ready_for_what_it_is_not
    r, w = IO.pipe
    near, far = UNIXSocket.pair
    [w, far].each(&:close)
    Rota.run do
      enters = Rota.loop.stats[:enters]
      [[nil, [r], nil], [nil, nil, [r]], [nil, nil, [near]]].each do |sets|
        assert_nil IO.select(*sets, 0.01)
        assert_nil Fiber.scheduler.io_select(*sets, 0.01)
      end
      assert_equal [[], [near], []], Fiber.scheduler.io_select(nil, [near], [r], 1)
      assert_operator Rota.loop.stats[:enters] - enters, :<, 50
    end
  ensure
    [r, near].each(&:close)
  end

  if RUBY_VERSION >= "3.2"
    def test_an_interrupted_select
      Rota.run do
        r, = keep(IO.pipe)
        task = Rota.spin { IO.select([r]) }
        sleep(0.002)
        task.terminate
        task.await
      end
    end
  end
end
