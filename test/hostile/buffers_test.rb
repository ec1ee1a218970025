# frozen_string_literal: true

require_relative "../test_helper"
require_relative "../support/transports"

# Provided buffers that run out, shrink and come back; Strings that the kernel holds while the
# collector runs and moves what it can.
class BuffersTest < RotaTest
  time_limit 120

  FEW = [{ buffers: 2 }, { buffers: 2, without: [:incremental_buffers] }, { buffers: 2, buffer_size: 64 },
         { buffers: 2, buffer_size: 100, without: [:incremental_buffers] },
         { buffers: 1, buffer_size: 5000, without: [:incremental_buffers] }, { entries: 2, buffers: 2 }].freeze

  def test_many_connections_on_two_buffers
    FEW.each do |options|
      Rota.run(**options) do
        pairs = Array.new(100) { Transports.ends_of_streams }
        writing = pairs.each_with_index.map do |(_, far), i|
          Rota.spin { 10.times { |n| far.write("#{i}:#{n};" * 200) } && far.close }
        end
        reading = pairs.each_with_index.map do |(near, _), i|
          Rota.spin { near.read == Array.new(10) { |n| "#{i}:#{n};" * 200 }.join }
        end
        writing.each(&:await)
        assert reading.all?(&:await), options.inspect
        pairs.map(&:first).each(&:close)
        assert_at_rest
      end
    end
  end

  # Readers that do not read hold all buffers; the others must go on.
  def test_slow_readers_do_not_keep_the_buffers
    FEW.each do |options|
      Rota.run(**options) do
        slow = Array.new(50) { Transports.ends_of_streams }
        slow.each { |near, far| far.write("first") && near.read(1) }
        slow.map(&:last).each { |far| far.write("x" * 5000) }
        near, far = Transports.ends_of_streams
        task = Rota.spin { far.write("y" * 500_000) && far.close }
        assert_equal 500_000, near.read.count("y")
        task.await
        slow.map(&:first).each { |reader| assert_equal "irst#{'x' * 5000}", reader.read(5004) }
      ensure
        [*slow.flatten, near].each { |stream| stream&.close }
      end
    end
  end

  # What a burst needed is given up again, with the traffic that comes after it.
  def test_the_pool_grows_and_shrinks
    Rota.run(buffers: 2, buffer_size: 4096) do
      pairs = Array.new(30) { Transports.ends_of_streams }
      reading = pairs.map { |near, _| Rota.spin { near.read.bytesize } }
      pairs.map(&:last).each { |far| Rota.spin { far.write("x" * 60_000) && far.close } }
      assert_equal [60_000] * 30, reading.map(&:await)
      grown = Rota.loop.stats[:buffers]
      assert_operator grown, :>, 2
      near, far = Transports.ends_of_streams
      12_000.times { far.write("y" * 1000) && near.read(1000) }
      assert_operator Rota.loop.stats[:buffers], :<, grown
      [near, far, *pairs.map(&:first)].each(&:close)
    end
  end

  # A pool that grew and shrinks again must not touch what lies in its other buffers.
  def test_bytes_survive_a_pool_that_changes
    FEW.each do |options|
      random = Random.new(3)
      Rota.run(**options) do
        20.times do
          near, far = Transports.ends_of_streams
          sent = random.bytes(random.rand(1..60_000))
          task = Rota.spin { Transports.feed(far, sent, random) }
          found = +"".b
          near.read_loop(random.rand(1..9000)) { |bytes| found << bytes }
          assert found == sent, "#{options}: different"
          task.await
          near.close
        end
      end
    end
  end

  # recv_each is starved and fed again as streams are.
  def test_starved_multishots
    FEW.each do |options|
      Rota.run(**options) do
        pairs = Array.new(30) { UNIXSocket.pair }
        tasks = pairs.map do |near, _|
          Rota.spin do
            count = 0
            Rota.loop.recv_each(near) { |bytes| (count += bytes.bytesize) && Rota.snooze }
            count
          end
        end
        pairs.map(&:last).each { |far| Rota.spin { Rota.loop.write(far, "x" * 100_000) && far.close } }
        assert_equal [100_000] * 30, tasks.map(&:await)
        pairs.map(&:first).each(&:close)
      end
    end
  end

  def test_the_collector_while_reads_and_writes_are_in_flight
    Rota.run do
      pairs = Array.new(20) { UNIXSocket.pair }
      buffers = pairs.map { +"" }
      reads = pairs.each_with_index.map { |(near, _), i| Rota.spin { Rota.loop.read(near, 100, buffers[i]) } }
      big = pairs.map { |near, _| Rota.spin { Rota.loop.write(near, String.new("z" * 300_000)) } }
      Rota.snooze
      collect_and_move
      pairs.each_with_index { |(_, far), i| far.write("small #{i}") }
      collect_and_move
      assert_equal pairs.each_index.map { |i| "small #{i}" }, reads.map(&:await).zip(buffers).map(&:last)
      pairs.map(&:last).each { |far| assert_equal 300_000, read_count(far, 300_000) }
      assert_equal [300_000] * 20, big.map(&:await)
      pairs.flatten.each(&:close)
    end
  end

  def test_stress
    Rota.run do
      GC.stress = true
      near, far = Transports.ends_of_streams
      5.times do |i|
        reading = Rota.spin { near.gets }
        blocked = Rota.spin { Rota.move_on_after(0.001, with_value: :late) { near.read(1) } }
        Rota.snooze
        far.write("line", i, "\n")
        assert_equal "line#{i}\n", reading.await
        assert_equal :late, blocked.await
      end
      reader, writer = IO.pipe
      5.times do |i|
        buffer = +"b"
        reading = Rota.spin { Rota.loop.read(reader, 10, buffer, -1) }
        Rota.snooze
        Rota.loop.write(writer, i.to_s, "x")
        assert_equal 2, reading.await
        assert_equal "b#{i}x", buffer
      end
      [near, far, reader, writer].each(&:close)
    ensure
      GC.stress = false
    end
  end

  def test_streams_that_nobody_holds_close_their_descriptors
    Rota.run do
      before = Dir.children("/proc/self/fd").size
      50.times { |i| drop_a_pair(i) }
      GC.start
      3.times { Rota.sleep(0.001) }
      assert_operator Dir.children("/proc/self/fd").size, :<=, before + 4 # the stack may still hold some
    end
  end

  private

  # At various points of their lives.
  def drop_a_pair(number)
    near, far = Transports.ends_of_streams
    far.write("x" * 1000)
    near.read(1) if number.odd? # receive armed, bytes unread
    Rota.move_on_after(0) { near.read(5000) } if (number % 3).zero?
    20.times { far << "y" } if (number % 5).zero? # a slot is held
    nil
  end

  def read_count(socket, length)
    count = 0
    count += Rota.loop.read(socket, length - count).bytesize while count < length
    count
  end

  def collect_and_move
    GC.start
    GC.compact if GC.respond_to?(:compact)
  rescue NotImplementedError
    nil
  end

  def assert_at_rest
    50.times { Leaks.in_flight(Rota.loop.stats).empty? ? break : Rota.sleep(0.002) }
    assert_empty Leaks.in_flight(Rota.loop.stats)
  end
end
