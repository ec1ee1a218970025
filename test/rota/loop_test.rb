# frozen_string_literal: true

# also under: valgrind
require "test_helper"

# Rota::Loop as a thing: options, features, counters.
class LoopTest < RotaTest
  def test_there_is_one_for_the_thread
    assert_same(*Rota.run { [Rota.loop, Rota.spin { Rota.loop }.await] })
  end

  def test_takes_no_block
    assert_raises(ArgumentError) { Rota.loop { nil } }
  end

  def test_cannot_be_made_by_new
    assert_raises(NoMethodError, TypeError) { Rota::Loop.new }
  end

  def test_features_are_granted_or_say_why_not
    values = Rota.run { Rota.loop.features.values }
    assert(values.all? { |value| value == true || value.is_a?(String) })
  end

  def test_features_have_symbol_keys
    assert(Rota.run { Rota.loop.features.keys }.all?(Symbol))
  end

  def test_each_feature_can_be_done_without
    Rota.run { Rota.loop.features.keys }.each do |name|
      next if name == :io_uring

      got = Rota.run(without: [name]) {
        [Rota.loop.features[name].class, Rota.spin {
          Rota.sleep(0.0001) && :ran
        }.await]
      }
      assert_equal [String, :ran], got, name
    end
  end

  def test_one_feature_needs_no_array
    assert_kind_of String, Rota.run(without: :registered_files) { Rota.loop.features[:registered_files] }
  end

  def test_an_unknown_feature_is_refused
    assert_raises(ArgumentError) { Rota.run(without: [:wings]) { nil } }
  end

  def test_numbers_out_of_range_are_refused
    [{ entries: 0 }, { entries: -1 }, { entries: 1 << 40 }, { buffers: 0 }, { buffer_size: 0 }].each do |options|
      assert_raises(ArgumentError, RangeError, options.inspect) { Rota.run(**options) { nil } }
    end
  end

  def test_numbers_must_be_numbers
    assert_raises(TypeError) { Rota.run(entries: "many") { nil } }
  end

  def test_refused_options_leave_nothing_behind
    assert_raises(ArgumentError) { Rota.run(entries: 0) { nil } }
    assert_equal 1, Rota.run { 1 }
  end

  def test_a_ring_of_two_entries
    got = Rota.run(entries: 2) do
      pairs = Array.new(20) { socket_pair }
      readers = pairs.map { |reader, _| Rota.spin { Rota.loop.read(reader, 8) } }
      Rota.snooze
      pairs.each_with_index { |(_, writer), i| writer.syswrite(i.to_s) }
      readers.map(&:await)
    end
    assert_equal Array.new(20, &:to_s), got
  end

  def test_stats_have_symbol_keys_and_integers
    Rota.run { Rota.loop.stats }.each { |name, value| assert_equal [Symbol, Integer], [name.class, value.class], name }
  end

  # One that was in vain is followed by 1, 3, 7 ... 63 waits without one, until one brings something.
  def test_busy_waits_in_vain_are_few
    stats = Rota.run do
      IO.popen("cat", "r+") do |cat|
        500.times { Rota.loop.write(cat, "x") && Rota.loop.read(cat, 1) }
      end
      Rota.loop.stats
    end
    busy, in_vain, waits = stats.values_at(:busy_waits, :busy_waits_in_vain, :waits)
    assert_operator in_vain, :<=, (6 * (busy - in_vain + 1)) + (waits / 64) + 1
  end

  # Where many are answered by turns, a busy wait keeps the answers from coming together.
  def test_many_who_are_answered_are_not_waited_for_busily
    ours, theirs = Array.new(16) { UNIXSocket.pair }.transpose
    pid = fork { ours.each(&:close) && answer_slowly(theirs) }
    keep(ours) && theirs.each(&:close)
    stats = Rota.run do
      ours.map { |io| Rota.spin { 200.times { io.write("x") && io.readpartial(1) } } }.each(&:await)
      Rota.loop.stats
    end
    assert_operator stats[:busy_waits], :<=, 64 + (stats[:waits] / 4)
  ensure
    close_sockets
    Process.wait(pid)
  end

  def test_stats_count_tasks
    assert_equal [1, 3, 1], Rota.run {
      tasks = Array.new(2) { Rota.spin { nil } }
      alive = Rota.loop.stats[:tasks_alive]
      tasks.each(&:await)
      [1, alive, Rota.loop.stats[:tasks_alive]]
    }
  end

  def test_a_steady_state_makes_no_new_fibers
    made = Rota.run do
      Rota.spin { nil }.await
      before = Rota.loop.stats[:workers_made]
      1000.times { Rota.spin { nil }.await }
      Rota.loop.stats[:workers_made] - before
    end
    assert_equal 0, made
  end

  def test_wakeup_from_another_thread_is_harmless
    assert_equal 0, Rota.run {
      found = Rota.loop; Thread.new {
        100.times {
          found.wakeup
        }
      }.tap { Rota.sleep(0.002) }.join && 0
    }
  end

  def test_another_threads_loop_is_refused
    Rota.run do
      found = Rota.loop
      assert_raises(Rota::Error) { Thread.new { found.stats }.tap { |t| t.report_on_exception = false }.value }
    end
  end

  def test_a_loop_that_ended_raises_io_error
    found = Rota.run { Rota.loop }
    assert_raises(IOError) { found.stats }
  end

  def test_stop_needs_all_tasks_to_have_ended
    Rota.run do
      task = waiting
      assert_raises(Rota::Error) { Rota.loop.stop }
      task.stop
    end
  end

  # The memory maps of a process are limited, and running out of them corrupts Ruby.
  def test_spin_refuses_more_tasks_than_there_are_maps_for
    out, err, status = run_ruby(<<~RUBY, timeout: 60)
      require "rota"
      limit = File.read("/proc/sys/vm/max_map_count").to_i
      if limit > 300_000
        puts :unlimited
      else
        Rota.run do
          tasks = []
          begin
            limit.times { tasks << Rota.spin { Rota.suspend } }
          rescue Rota::ResourceError => e
            puts e.class
          end
          Rota.snooze
          tasks.each(&:stop)
        end
      end
    RUBY
    skip "more maps than a test can use" if out == "unlimited\n"
    assert_equal ["Rota::ResourceError\n", true], [out, status.success?], err
  end

  # ... of all its threads together; and what one does not need any more another can have.
  def test_threads_share_the_room_for_tasks
    out, err, status = run_ruby(<<~RUBY, timeout: 60)
      require "rota"
      limit = File.read("/proc/sys/vm/max_map_count").to_i
      fill = lambda do |most|
        count = 0
        begin
          most.times { Rota.spin { nil }; count += 1 }
        rescue Rota::ResourceError
          count
        end
        count
      end
      if limit > 300_000
        puts :unlimited
      else
        all = Rota.run { fill.call(limit) }
        half, rest = all / 2
        Rota.run do
          fill.call(half)
          other = Thread.new { Rota.run { fill.call(limit) } }
          Thread.pass while other.alive? # no switchpoint: our tasks do not run meanwhile
          rest = other.value
          Rota.loop.waitpid(fork { exit!(Rota.run { fill.call(limit) } == all ? 0 : 1) })
          puts "child: \#{$?.success?}"
        end
        puts all > 20_000, (all - half - rest).between?(0, 200), Rota.run { fill.call(limit) } == all
      end
    RUBY
    skip "more maps than a test can use" if out == "unlimited\n"
    assert_equal ["child: true\ntrue\ntrue\ntrue\n", true], [out, status.success?], err
  end

  private

  # One after the other, after some 20 us each. Ends the process.
  def answer_slowly(sockets)
    until sockets.empty?
      IO.select(sockets).first.each do |socket|
        request = socket.readpartial(1)
        2000.times { nil }
        socket.write(request)
      rescue EOFError
        sockets.delete(socket)
      end
    end
    exit!
  end
end
