# frozen_string_literal: true

require "test_helper"
require_relative "../support/engines"
require "tempfile"

# What many tasks write to sockets by Ruby's own methods goes to the kernel together, at the end of
# the turn, from copies.
class SmallWritesTest < RotaTest
  # Yields pairs of sockets, one for each of so many tasks. There is room for all of them, also where
  # rings are tiny.
  def with_pairs(count = 20, engine: Engines::DEFAULT)
    Rota.run(engine: engine, entries: 128) do
      pairs = Array.new(count) { UNIXSocket.pair }
      yield pairs
    ensure
      pairs.flatten.each(&:close)
    end
  end

  # Each socket is one task's alone, which has written to it before.
  def together(pairs, &body)
    tasks = pairs.map do |near, far|
      Rota.spin do
        near.write("!") && far.read_nonblock(1)
        Rota.snooze
        body.call(near, far)
      end
    end
    Rota.snooze # they are all about to do it
    tasks
  end

  def reading(pairs) = pairs.map { |_, far| Rota.spin { far.read } }

  def written_and_read(pairs)
    tasks = pairs.map do |near, _|
      Rota.spin do
        2.times { near.write("abc") && Rota.snooze }
        near.flush
        IO.for_fd(near.fileno, autoclose: false).sysseek(0)
        near.readpartial(10)
      end
    end
    tasks.map(&:await)
  end

  def on_each_engine(&block)
    Engines::ALL.each { |engine| with_pairs(engine: engine, &block) }
  end

  def test_they_share_an_enter
    skip "epoll makes a call for each" unless Engines.ring?
    with_pairs do |pairs|
      before = Rota.loop.stats
      together(pairs) { |near, _| near.write("a") && near << "b" && near.syswrite("c") }.each(&:await)
      spent = Rota.loop.stats.to_h { |name, value| [name, value.is_a?(Integer) ? value - before[name] : value] }
      assert_operator spent[:entries], :>=, 50
      assert_operator spent[:enters], :<, 20
      assert_equal ["abc"] * 20, pairs.map { |_, far| far.readpartial(10) }
    end
  end

  def test_each_says_how_much_it_wrote
    on_each_engine do |pairs|
      assert_equal [3] * 20, together(pairs) { |near, _| near.write("abc") }.map(&:await)
    end
  end

  # They are of the class all the same.
  def test_sockets_that_are_files_by_now
    on_each_engine do |pairs|
      files = pairs.map { keep([Tempfile.new]).first }
      pairs.zip(files) { |(near, _), file| near.reopen(file.path, "r+") }
      assert_equal ["abcabc"] * 20, written_and_read(pairs)
    end
  end

  # ... and have no path.
  def test_sockets_whose_numbers_are_files_by_now
    on_each_engine do |pairs|
      files = pairs.map { keep([Tempfile.new]).first }
      pairs.zip(files) { |(near, _), file| IO.for_fd(near.fileno, "r+", autoclose: false).reopen(file) }
      assert_equal ["abcabc"] * 20, written_and_read(pairs)
    end
  end

  # In parts, because the socket is full again and again.
  def test_what_finds_no_room_is_waited_for
    on_each_engine do |pairs|
      pairs.map(&:first).each { |near| near.setsockopt(:SOCKET, :SNDBUF, 4096) }
      text = Array.new(60) { |i| (97 + (i % 26)).chr * 4000 }
      writing = together(pairs) { |near, _| text.each { |part| near.write(part) } && near.close_write }
      read = reading(pairs).map(&:await)
      writing.each(&:await)
      assert_equal [text.join] * 20, read
    end
  end

  def test_a_peer_that_is_gone
    on_each_engine do |pairs|
      errors = together(pairs) { |near, far| far.close || caught(SystemCallError) { near.write("a") } }.map(&:await)
      assert_equal [Errno::EPIPE] * 20, errors.map(&:class)
    end
  end

  # A line is written in parts, and nobody comes between while there is room. Each has a turn of its own, because a
  # task gives way after many calls in a row, or some that take long, between two parts as well.
  def test_lines_of_many_tasks_to_one_socket_stay_whole
    lines = { puts: ->(io, i) { io.puts("line #{i}") }, print: ->(io, i) { io.print("line #{i}", "\n") },
              write: ->(io, i) { io.write("line", " ", i, "\n") } }
    Engines::ALL.product(lines.to_a).each do |engine, (name, write)|
      with_pairs(1, engine: engine) do |((near, far))|
        near.setsockopt(:SOCKET, :SNDBUF, 1 << 20)
        writers = Array.new(20) do |i|
          Rota.spin do
            5.times do
              Rota.snooze
              write.call(near, i)
            end
          end
        end
        reading = Rota.spin { Array.new(100) { far.gets } }
        writers.each(&:await)
        assert_equal 100, reading.await.grep(/\Aline \d+\n\z/).size, name
      end
    end
  end

  # All of it or nothing is on the wire when a task is stopped in it.
  def test_they_overtake_nothing_that_a_verb_has_queued
    Rota.run do
      pairs = [-> { UNIXSocket.pair }, -> { IO.pipe.reverse }]
      [*0..8].product(pairs) do |others, pair|
        ours, theirs = pair.call
        first = Rota.spin { Rota.loop.write(ours, "first ") }
        kept = Array.new(others) { UNIXSocket.pair }
        between = kept.map { |other, _| Rota.spin { Rota.loop.write(other, "x") } }
        Rota::Task.await(first, *between, Rota.spin { ours.write("second") })
        assert_equal "first second", theirs.readpartial(100), others
      end
    end
  end

  def test_a_write_that_is_stopped
    on_each_engine do |pairs|
      tasks = together(pairs) { |near, _| near.write("abc") }
      Rota.snooze
      tasks.each(&:stop)
      tasks.each(&:await)
      Rota.sleep(0.001)
      arrived = pairs.map { |_, far| far.read_nonblock(10, exception: false) }
      assert_empty arrived - ["abc", :wait_readable]
    end
  end

  def test_a_deadline_that_is_over_in_the_same_turn
    on_each_engine do |pairs|
      results = together(pairs) { |near, _| Rota.move_on_after(0, with_value: :late) { near.write("abc") } }
      assert_empty results.map(&:await) - [3, :late]
    end
  end

  # The copy is what was given, whatever becomes of it meanwhile.
  def test_a_string_that_changes_meanwhile
    on_each_engine do |pairs|
      texts = pairs.to_h { |near, _| [near, +"as it was"] }
      tasks = together(pairs) { |near, _| near.write(texts[near]) }
      Rota.snooze
      texts.each_value { |text| text.replace("different") }
      GC.start
      GC.compact if GC.respond_to?(:compact)
      tasks.each(&:await)
      read = pairs.map { |_, far| far.readpartial(20) }
      assert_equal ["as it was"], read.uniq - ["different"] # of whom the turn had not come
    end
  end

  # Who writes all of a buffer looks at it again before each part.
  def test_a_buffer_that_is_freed_between_two_parts
    on_each_engine do |pairs|
      buffers = pairs.map { IO::Buffer.new(1 << 20).clear("a".ord) }
      pairs.map(&:first).each { |near| near.setsockopt(:SOCKET, :SNDBUF, 1) }
      of = pairs.map(&:first).zip(buffers).to_h
      tasks = together(pairs) do |near, _|
        near.write_nonblock("a" * 1000)
        caught(IO::Buffer::InvalidatedError) { of[near].slice(0, 4096).write(near, 4096) }
      end
      Rota.snooze
      buffers.each(&:free)
      readers = reading(pairs)
      assert_empty tasks.map { |task| task.await.class } - [IO::Buffer::InvalidatedError, Integer]
      pairs.map(&:first).each(&:close)
      readers.each(&:await)
    end
  end

  # In the order in which a task does it.
  def test_what_is_written_before_the_end_arrives_before_it
    on_each_engine do |pairs|
      together(pairs) { |near, _| near.write("last words") && near.close_write }.each(&:await)
      assert_equal ["last words"] * 20, pairs.map { |_, far| far.read }
    end
  end

  # By the verb: what others queued before goes out, and they are told.
  def test_a_close_by_the_loop_comes_behind_what_is_queued
    on_each_engine do |pairs|
      tasks = together(pairs) { |near, _| caught(IOError) { near.write("abc") } }
      Rota.snooze
      pairs.map(&:first).each { |near| Rota.loop.close(near) }
      tasks.each(&:await)
      assert_equal ["abc"] * 20, pairs.map { |_, far| far.read }
    end
  end
end
