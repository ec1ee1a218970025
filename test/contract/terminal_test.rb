# frozen_string_literal: true

# also under: valgrind

require_relative "../test_helper"
require_relative "../support/transports"

# A terminal: its writes block in the kernel even when asked not to, and its other end takes what was
# not read with it when it closes. So not all of the contract holds, but nobody else may wait for it.
class TerminalTest < RotaTest
  def test_bytes_pass
    with_terminal do |slave, master|
      reading = Rota.spin { Rota.loop.read(slave, 100) }
      Rota.snooze
      assert_equal 5, Rota.loop.write(master, "hello")
      assert_equal "hello", reading.await
      Rota.loop.write(slave, "back")
      assert_equal "back", Rota.loop.read(master, 100)
      Rota.loop.write(slave.fileno, "number")
      assert_equal "number", Rota.loop.read(master.fileno, 100)
    end
  end

  def test_a_write_that_nobody_reads_holds_up_nobody
    with_terminal do |slave, master|
      writing = Rota.spin { Rota.loop.write(master, "x" * 50_000) }
      10.times { Rota.sleep(0.001) }
      assert_equal :waiting, writing.state
      count = 0
      count += Rota.loop.read(slave, 10_000).bytesize until count == 50_000
      assert_equal 50_000, writing.await
    end
  end

  def test_the_same_with_streams
    with_terminal do |*ends|
      slave, master = ends.map { |io| Transports.stream(io) }
      writing = Rota.spin { master.write("x" * 50_000) }
      10.times { Rota.sleep(0.001) }
      assert_equal :waiting, writing.state
      assert_equal 50_000, slave.read(50_000).bytesize
      assert_equal 50_000, writing.await
      [slave, master].each(&:close)
    end
  end

  # Ctrl-D ends one read, as with IO.
  def test_a_stream_goes_on_behind_an_end
    answers = [false, true].map do |streams|
      Rota.run do
        keyboard, terminal = PTY.open
        input = streams ? terminal.stream : terminal
        keyboard << "one\n\x04two\nthr\x04\x04four\n\x04"
        found = [input.read, input.gets, input.gets, input.readlines]
        keyboard << "\x04five\n"
        found + [input.eof?, input.readpartial(10)]
      ensure
        [input, keyboard].each(&:close)
      end
    end
    assert_equal ["one\n", "two\n", "thr", ["four\n"], true, "five\n"], answers.first
    assert_equal(*answers)
  end

  def test_a_write_can_be_given_up
    with_terminal do |_slave, master|
      error = assert_raises(Rota::TimeoutError) { Rota.cancel_after(0.01) { Rota.loop.write(master, "x" * 50_000) } }
      assert_operator error.bytes_written, :<, 50_000
    end
  end

  def test_close_wakes_who_waits
    with_terminal do |slave, master|
      reading = Rota.spin { assert_raises(IOError) { Rota.loop.read(slave, 10) } }
      Rota.sleep(0.001)
      Rota.loop.close(slave)
      assert_match(/closed/, reading.await.message)
      writing = Rota.spin { assert_raises(IOError, SystemCallError) { Rota.loop.write(master, "x" * 50_000) } }
      Rota.sleep(0.001)
      Rota.loop.close(master)
      writing.await
    end
  end

  # Packet mode: what the slave does to its queues and modes is urgent data of the master. The kernel names
  # no band when it wakes who waits for them; those of stop and start wake nobody, in poll(2) neither.
  TIOCPKT = 0x5420

  def test_changes_of_a_terminal_in_packet_mode_are_urgent
    with_terminal do |slave, master|
      master.ioctl(TIOCPKT, [1].pack("i"))
      [-> { slave.iflush }, -> { slave.oflush }, -> { slave.cooked! && slave.raw! }].each do |change|
        waiting = Rota.spin { Rota.loop.poll(master, IO::PRIORITY) }
        2.times { Rota.sleep(0.001) }
        assert_equal :waiting, waiting.state
        change.call
        assert_equal IO::PRIORITY, waiting.await(5) & IO::PRIORITY
        assert_equal 1, Rota.loop.read(master, 10).bytesize
      end
    end
  end

  private

  def with_terminal
    Rota.run do
      slave, master = Transports.terminal
      yield slave, master
    ensure
      [slave, master].each { |io| io.close unless !io || io.closed? || !io.autoclose? }
    end
  end
end
