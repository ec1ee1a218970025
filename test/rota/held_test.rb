# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Reads that are held back until nobody else can run, tried once, and only then given to the engine.
class HeldTest < RotaTest
  def test_a_ping_pong_hardly_enters_the_kernel_for_the_engine
    with_pipes do |there, back|
      echo(there, back)
      before = Rota.loop.stats[:enters]
      500.times { ping(there, back) }
      assert_operator Rota.loop.stats[:enters] - before, :<, 250 # one each without
    end
  end

  def test_bytes_that_nobody_sends_yet_are_waited_for_in_the_kernel
    with_pipes do |there, _|
      reading = Rota.spin { Rota.loop.read(there[0], 10) }
      Rota.sleep(0.002) until Rota.loop.stats[:ops_queued].zero? && Rota.loop.stats[:ops_in_flight] == 1
      before = Rota.loop.stats[:turns]
      Rota.sleep(0.02)
      assert_operator Rota.loop.stats[:turns] - before, :<, 20
      there[1].write("late")
      assert_equal "late", reading.await
    end
  end

  # In no order: the kernel has none either.
  def test_many_readers_of_one_pipe_are_all_served
    with_pipes do |there, _|
      readers = Array.new(12) { Rota.spin { Rota.loop.read(there[0], 1) } }
      Rota.snooze
      20.times { Rota.snooze } # some are held back, some are not
      ("a".."l").each { |letter| Rota.loop.write(there[1], letter) && Rota.snooze }
      assert_equal [*"a".."l"], readers.map(&:await).sort
    end
  end

  def test_a_timer_and_a_read_in_flight_beside_a_ping_pong_without_end
    with_pipes do |there, back|
      other = socket_pair
      read = waiting { Rota.loop.recv(other[0], 10) }
      Rota.sleep(0.001) # it is the engine's now
      echo(there, back)
      busy = Rota.spin { loop { ping(there, back) } }
      Rota.sleep(0.002)
      other[1].write("through")
      assert_equal "through", read.await
      busy.terminate
    end
  end

  def test_an_operation_that_was_never_handed_over_beside_a_ping_pong_without_end
    with_pipes do |there, back|
      echo(there, back)
      busy = Rota.spin { loop { ping(there, back) } }
      Rota.snooze
      other = socket_pair
      other[1].write("there already")
      assert_equal IO::READABLE, Rota.loop.poll(other[0], IO::READABLE) & IO::READABLE
      busy.terminate
    end
  end

  def test_who_is_ended_while_its_read_is_held_back
    with_pipes do |there, back|
      echo(there, back)
      buffer = +""
      ended = Rota.spin { Rota.loop.read(back[0], 10, buffer) }
      Rota.snooze
      ended.terminate.await
      buffer << "not locked"
      assert_equal "ping", ping(there, back)
    end
  end

  def test_a_deadline_of_a_read_that_is_held_back
    with_pipes do |there, _|
      assert_equal :late, Rota.move_on_after(0, with_value: :late) { Rota.loop.read(there[0], 1) }
      assert_equal :late, Rota.move_on_after(0.001, with_value: :late) { Rota.loop.read(there[0], 1) }
    end
  end

  def test_closing_what_a_read_is_held_back_for
    with_pipes do |there, _|
      reading = Rota.spin { caught(IOError) { Rota.loop.read(there[0], 1) } }
      Rota.snooze
      Rota.loop.close(there[0])
      assert_kind_of IOError, reading.await
    end
  end

  def test_the_end_is_found
    with_pipes do |there, _|
      reading = waiting { Rota.loop.read(there[0], 10) }
      there[1].close
      assert_nil reading.await
      assert_nil Rota.loop.read(there[0], 10)
    end
  end

  def test_errors_are_those_of_the_engine
    Rota.run do
      File.open(__dir__) do |directory|
        assert_includes caught(SystemCallError) { Rota.loop.read(directory, 1) }.message, "read"
      end
      IO.pipe.each do |io|
        assert_kind_of Errno::ENOTSOCK, caught(SystemCallError) { Rota.loop.recv(io, 1) }
        io.close
      end
    end
  end

  private

  def with_pipes
    there, back = IO.pipe, IO.pipe
    Rota.run do |root|
      yield there, back
      root.terminate_all_children
    end
  ensure
    [*there, *back].each(&:close)
  end

  def echo(there, back)
    Rota.spin { loop { Rota.loop.write(back[1], Rota.loop.read(there[0], 100)) } }
    Rota.snooze
  end

  def ping(there, back)
    Rota.loop.write(there[1], "ping")
    Rota.loop.read(back[0], 100)
  end
end
